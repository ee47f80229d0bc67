import { formatAgo, printable, type Context } from '@filer/program';
import { openMember } from './home-member.ts';

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  const nameOf = (id: string): string =>
    id === member.server.id ? 'ip-server' : (member.directory.byId(id)?.name ?? id.slice(0, 12));
  const messages = member.messages.all();
  output.json({
    messages: messages.map(({ id, from, to, text, time }) => ({
      id,
      from: nameOf(from),
      fromId: from,
      to: to === member.id ? member.name : to,
      text,
      time: new Date(time).toISOString(),
    })),
  });
  const now = Date.now();
  for (const { from, to, text, time } of messages) {
    const audience = to === member.id ? '' : ` to ${to}`;
    output.line(`${nameOf(from)}${audience}, ${formatAgo(time, now)}: ${printable(text)}`);
  }
  if (messages.length === 0) output.words('No messages yet.');
}

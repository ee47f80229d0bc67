import { formatAgo, iso, printable, type Context } from '@filer/program';
import { SERVER_NAME, SHOWN_SERVER_NAME } from '../network/server-name.ts';
import { openMember } from './home-member.ts';

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  const isServer = (id: string): boolean => id === member.server.id;
  const nameOf = (id: string, serverName = SERVER_NAME): string =>
    isServer(id) ? serverName : (member.directory.byId(id)?.name ?? id.slice(0, 12));
  const messages = member.messages.all();
  output.json({
    messages: messages.map(({ id, from, to, text, time }) => ({
      id,
      from: nameOf(from),
      fromId: from,
      fromServer: isServer(from),
      to: to === member.id ? member.name : to,
      text,
      time: iso(time),
    })),
  });
  const now = Date.now();
  for (const { from, to, text, time } of messages) {
    const audience = to === member.id ? '' : ` to ${to}`;
    output.line(`${nameOf(from, SHOWN_SERVER_NAME)}${audience}, ${formatAgo(time, now)}: ${printable(text)}`);
  }
  if (messages.length === 0) output.words('No messages yet.');
}

import { formatAgo, formatBytes, renderTable, type Context } from '@filer/program';
import { openMember } from './home-member.ts';

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  const items = member.inbox.all();
  output.json({
    items: items.map((item) => ({
      id: item.id,
      from: item.fromName,
      fromId: item.from,
      path: item.path,
      name: item.name,
      size: item.size,
      digest: item.digest,
      receivedAt: new Date(item.receivedAt).toISOString(),
      note: item.note,
      state: item.state,
    })),
  });
  if (items.length === 0) {
    output.words(`Nothing has come yet. Files that others send will lie in ${member.home.inbox}`);
    return;
  }
  const now = Date.now();
  output.line(
    renderTable(
      [{ title: 'FROM' }, { title: 'SIZE' }, { title: 'CAME' }, { title: 'WHERE' }, { title: 'NOTE' }],
      items.map((item) => [
        item.fromName,
        formatBytes(item.size),
        formatAgo(item.receivedAt, now),
        item.path,
        item.note,
      ]),
      output.columns,
    ),
  );
}

import { formatAgo, printable, renderTable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  const { watches } = await call(context, contract.watchList, {});
  output.json({ watches });
  if (watches.length === 0) {
    output.words('Nothing is watched: `filer-client watch add DIR --to NAME` sends new files of a folder');
    return;
  }
  const now = Date.now();
  const titles = ['ID', 'NAME', 'STATE', 'WAITING', 'SHIPPED', 'LAST', 'TO', 'FOLDER'];
  output.line(
    renderTable(
      titles.map((title) => ({ title })),
      watches.map(({ id, name, state, waiting, shipped, lastShippedAt, to, folder }) => [
        id,
        name,
        state,
        String(waiting),
        String(shipped),
        lastShippedAt === null ? '-' : formatAgo(Date.parse(lastShippedAt), now),
        to.join(', '),
        folder,
      ]),
      output.columns,
    ),
  );
  for (const { name, reason } of watches)
    if (reason !== null) output.line(`${printable(name)}: ${printable(reason)}`);
}

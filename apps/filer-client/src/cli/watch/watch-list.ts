import { formatAgo, printable, renderTable, type Column, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID', fit: 'whole' },
  { title: 'NAME', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'WAITING', fit: 'whole', align: 'right' },
  { title: 'SHIPPED', fit: 'whole', align: 'right', dropOrder: 2 },
  { title: 'LAST', fit: 'whole', dropOrder: 1 },
  { title: 'TO' },
  { title: 'FOLDER', fit: 'below' },
];

export const examples = ['watch list', 'watch list --json'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  const { watches } = await call(context, contract.watchList, {});
  output.json({ watches });
  if (watches.length === 0) {
    output.words('Nothing is watched: `filer-client watch add DIR --to NAME` sends new files of a folder');
    return;
  }
  const now = Date.now();
  output.line(
    renderTable(
      COLUMNS,
      watches.map(({ id, name, state, waiting, shipped, lastShippedAt, to, folder }) => [
        id,
        name,
        state,
        String(waiting),
        String(shipped),
        lastShippedAt === null ? '-' : formatAgo(Date.parse(lastShippedAt), now),
        to.join(', '),
        output.path(folder),
      ]),
      output.columns,
    ),
  );
  for (const { name, reason } of watches)
    if (reason !== null) output.line(`${printable(name)}: ${printable(reason)}`);
}

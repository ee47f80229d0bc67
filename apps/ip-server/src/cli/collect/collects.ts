import {
  flag,
  formatAgo,
  layOutTable,
  LiveView,
  screenLines,
  type ArgumentValues,
  type Cell,
  type Context,
  type Screen,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { CollectEntry, CollectsDocument } from '../../api/contract/collects.ts';
import { asking } from '../asking.ts';
import { countWords, STOPPED, timeWords, troubled } from './collect-messages.ts';
import { following } from '../following.ts';

export const args = { watch: flag('keep running, and show every change') };

export const examples = ['collect', 'collect --watch'];

const COLUMNS = [
  { title: 'NAME', fit: 'whole' },
  { title: 'LAST RUN', fit: 'whole' },
  { title: 'STATE' },
  { title: 'FROM', dropOrder: 1 },
  { title: 'PATHS', dropOrder: 2 },
  { title: 'NEXT', fit: 'whole', dropOrder: 3 },
  { title: 'FOLDER', fit: 'whole', dropOrder: 4 },
] as const;

export async function run({ watch }: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { output } = context;
  if (!watch) {
    const document = await asking(context, {}, (server) => server.call(contract.collects, {}));
    output.json(document);
    const screen = screenOf(document, { now: Date.now(), columns: output.columns }, context);
    for (const line of screenLines(screen)) output.line(line);
    return;
  }
  using view = new LiveView<CollectsDocument>(context, {
    layOut: (document, size) => screenOf(document, size, context),
  });
  const show = (document: CollectsDocument): void => view.show(document);
  await following(context, {
    types: ['collect', 'peer'],
    refresh: async (server) => show(await server.call(contract.collects, {})),
  });
}

function screenOf(
  { running, collects }: CollectsDocument,
  { now, columns }: { readonly now: number; readonly columns: number },
  context: Context,
): Screen {
  const foot = running ? [] : [STOPPED];
  if (collects.length === 0) {
    const how = "ip-server collect add NAME --from @all --path 'SHARE/**' --every day@18:00";
    return { items: [['Nothing is collected; to begin:'], [how]], foot };
  }
  const { head, rows } = layOutTable(
    COLUMNS,
    collects.map((collect) => rowOf(collect, now, context)),
    columns,
  );
  return { head, items: rows, foot };
}

function rowOf(
  { name, lastRun, from, paths, nextAt, folder }: CollectEntry,
  now: number,
  { output, stdout }: Context,
): Cell[] {
  const last = lastRun === null ? 'never' : formatAgo(Date.parse(lastRun.startedAt), now);
  const state = lastRun === null ? '' : countWords(lastRun);
  return [
    name,
    last,
    lastRun !== null && lastRun.missing + lastRun.late + lastRun.failed > 0 ? troubled(state, stdout) : state,
    from.join(' '),
    paths.join(' '),
    nextAt === null ? 'never' : timeWords(nextAt),
    output.path(folder),
  ];
}

import {
  flag,
  LiveView,
  optional,
  printable,
  required,
  screenLines,
  textKind,
  type ArgumentValues,
  type Context,
  type Screen,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { LedgerDocument } from '../../api/contract/collects.ts';
import { asking } from '../asking.ts';
import { machinesScreen, runWords, STOPPED, timeWords } from './collect-messages.ts';
import { following } from '../following.ts';
import { COLLECT } from '../arguments.ts';

export const args = {
  name: required(COLLECT, 'which collect'),
  run: optional(
    textKind('a run such as 2026-11-21', { completes: 'run' }),
    'this run instead of the last one',
  ),
  watch: flag('keep running, and show every change'),
};
type CollectShowArguments = ArgumentValues<typeof args>;

export const examples = ['collect show results', 'collect show results --run 2026-11-21'];

export async function run(args: CollectShowArguments, context: Context): Promise<void> {
  const { output } = context;
  const { name, run: wanted, watch } = args;
  const params = { name, ...(wanted === undefined ? {} : { run: wanted }) };
  if (!watch) {
    const ledger = await asking(context, {}, (server) => server.call(contract.collectShow, params));
    output.json(ledger);
    for (const line of screenLines(
      screenOf(ledger, { now: Date.now(), columns: output.columns }, context),
      output.columns,
    ))
      output.line(line);
    const older = ledger.runs.filter((run) => run.id !== ledger.run?.id);
    if (older.length > 0)
      output.hint(`Other runs, shown by --run:  ${older.map(({ run }) => run).join(' ')}`);
    return;
  }
  using view = new LiveView<LedgerDocument>(context, {
    layOut: (ledger, size) => screenOf(ledger, size, context),
  });
  await following(context, {
    types: ['collect', 'peer'],
    refresh: async (server) => view.show(await server.call(contract.collectShow, params)),
  });
}

function screenOf(
  { running, collect, run, machines }: LedgerDocument,
  size: { readonly now: number; readonly columns: number },
  context: Context,
): Screen {
  const foot = running ? [] : [STOPPED];
  const { name, from, paths, folder, every, cron, nextAt } = collect;
  const next = nextAt === null ? 'never again' : `next ${timeWords(nextAt)}`;
  const head = [
    `${name}  ${paths.map(printable).join(' ')} of ${from.map(printable).join(' ')}, ${every ?? cron ?? ''}, ${next}`,
    `into ${printable(context.output.path(folder))}`,
  ];
  if (run === null) return { head, items: [['It has not run yet.']], foot };
  const screen = machinesScreen(machines, size, context);
  return { head: [...head, runWords(run), ...(screen.head ?? [])], items: screen.items, foot };
}

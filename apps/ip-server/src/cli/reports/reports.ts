import { once } from 'node:events';
import { FilerError } from '@filer/protocol';
import type { ArgumentValues, Context } from '@filer/program';
import type { ReportQuery, StoredReport } from '../../store/report-store.ts';
import type { Store } from '../../store/interfaces.ts';
import type { reportsArguments } from '../arguments.ts';
import { following } from '../following.ts';
import { csvFormat } from './report-csv.ts';
import { documentOf, Names, openHistory } from './report-documents.ts';
import { jsonDocument, jsonLines, tableFormat, type ReportFormat } from './report-formats.ts';
import { queryOf } from './report-query.ts';

type ReportsValues = ArgumentValues<typeof reportsArguments>;

export async function run(args: ReportsValues, context: Context): Promise<void> {
  requireOneForm(args, context);
  const store = await openHistory(context.home);
  try {
    const query = queryOf(args, await store.registry.members(), Date.now());
    const format = formatOf(args, context);
    await write(format.begin, context);
    const { isEmpty } = await (args.watch ? watch : showOnce)(store, query, format, args, context);
    await write(format.end, context);
    if (isEmpty) sayNothingThere(args, context);
  } finally {
    await store.close();
  }
}

function requireOneForm(args: ReportsValues, { output }: Context): void {
  const both = (one: string, other: string): never => {
    throw new FilerError('usage', `${one} and ${other} exclude each other, leave one of them out`);
  };
  if (args.csv && output.jsonMode) both('--csv', '--json');
  if (args.watch && args.latest) both('--watch', '--latest');
  if (args.watch && args.until !== undefined) both('--watch', '--until');
  if (args.value.length > 0 && !args.csv)
    throw new FilerError('usage', '--value is a column of --csv: add --csv');
}

function formatOf({ csv, value, watch: isWatching }: ReportsValues, { output }: Context): ReportFormat {
  if (csv) return csvFormat(value, output.dataIsForTerminal);
  if (output.jsonMode) return isWatching ? jsonLines() : jsonDocument();
  return tableFormat(output.columns, isWatching);
}

async function showOnce(
  store: Store,
  query: ReportQuery,
  format: ReportFormat,
  { latest }: ReportsValues,
  context: Context,
): Promise<{ isEmpty: boolean }> {
  const found = latest ? store.reports.latest(query) : store.reports.query(query);
  const last = await show(found, store, format, context);
  return { isEmpty: last === undefined };
}

/** Until it is ended, which is no failure. */
async function watch(
  store: Store,
  query: ReportQuery,
  format: ReportFormat,
  { since }: ReportsValues,
  context: Context,
): Promise<{ isEmpty: boolean }> {
  let newest = since === undefined ? await store.reports.newest() : undefined;
  context.output.hint('New reports are shown when they come; Ctrl-C stops');
  const refresh = async (): Promise<void> => {
    const now = await store.reports.newest();
    if (now === undefined || now === newest) return;
    const last = await show(store.reports.query({ ...query, after: newest }), store, format, context);
    // One that came while the others were shown was shown, too.
    newest = last !== undefined && Number(last) > Number(now) ? last : now;
  };
  await following(context, { types: ['report'], refresh, whileStopped: refresh });
  return { isEmpty: false };
}

/** @returns the id of the last one */
async function show(
  found: AsyncIterable<readonly StoredReport[]>,
  store: Store,
  format: ReportFormat,
  context: Context,
): Promise<string | undefined> {
  const names = new Names(store.registry);
  await names.update();
  let last: string | undefined;
  for await (const page of found) {
    // It joined after this began.
    if (page.some(({ peer }) => !names.all.has(peer))) await names.update();
    await write(format.block(page.map((stored) => documentOf(stored, names.all))), context);
    last = page.at(-1)?.id;
  }
  return last;
}

async function write(text: string, { stdout, signal }: Context): Promise<void> {
  if (text === '') return;
  signal.throwIfAborted();
  if (!stdout.write(text)) await once(stdout, 'drain', { signal });
}

function sayNothingThere(args: ReportsValues, { output }: Context): void {
  const { peer, group, since, until, title, schedule, kind } = args;
  const isFiltered = [...peer, ...group, since, until, title, schedule, kind].some(
    (each) => each !== undefined,
  );
  output.words(
    isFiltered
      ? 'There are no such reports; "ip-server reports" lists all stored reports'
      : 'There are no reports; on a machine of the network: filer-client report KEY=VALUE',
  );
}

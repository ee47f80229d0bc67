import { once } from 'node:events';
import { FilerError, isGroupName, nearNames } from '@filer/protocol';
import {
  choiceKind,
  customKind,
  flag,
  list,
  MOMENT,
  optional,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import type { ReportQuery, StoredReport } from '../../store/report-store.ts';
import type { Store } from '../../store/interfaces.ts';
import type { Member } from '../../store/registry.ts';
import { following } from '../following.ts';
import { csvFormat } from './report-csv.ts';
import { documentOf, Names, openHistory } from './report-documents.ts';
import { jsonDocument, jsonLines, tableFormat, type ReportFormat } from './report-formats.ts';
import { PEER } from '../arguments.ts';

/** As other commands write it, too: `@lab`. */
const GROUP_OF_REPORTS = customKind(
  'the name of a group such as lab',
  (text) => {
    const name = text.replace(/^@/, '');
    if (!isGroupName(name)) throw new RangeError('not the name of a group');
    return name;
  },
  { value: 'group', completes: 'group' },
);

export const args = {
  peer: list(PEER, 'of this machine', { commas: true }),
  group: list(GROUP_OF_REPORTS, 'of the machines of this group', { commas: true }),
  since: optional(MOMENT, 'received at or after this'),
  until: optional(MOMENT, 'received before this'),
  title: optional(
    textKind("a title such as 'disk of nas', or a pattern such as 'disk*' in quotes"),
    'with this title; * stands for any text, ? for one character',
  ),
  schedule: optional(
    textKind('the name of a schedule', { value: 'name', completes: 'schedule' }),
    'made by this schedule',
  ),
  kind: optional(choiceKind(['user', 'schedule']), 'made by hand, or by schedules'),
  latest: flag('only the newest of each machine and schedule'),
  watch: flag('keep running, and show each report when it comes; older ones with --since only'),
  csv: flag('as comma-separated values, a row a report'),
  value: list(
    textKind('the key of a value such as free', { value: 'key' }),
    'with --csv: add a column for this value',
  ),
};

export const examples = [
  'reports --since 1h',
  'reports --latest --group lab',
  "reports --since 2026-11-01 --title 'disk*' --csv --value free",
  'reports --watch --peer nas --json',
];

type ReportsValues = ArgumentValues<typeof args>;

export async function run(args: ReportsValues, context: Context): Promise<void> {
  requireOneForm(args, context);
  const store = await openHistory(context);
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

/**
 * What was asked for as the store understands it.
 *
 * @throws FilerError `no-such-peer`
 */
function queryOf(args: ReportsValues, members: readonly Member[], now: number): ReportQuery {
  const { peer, group, since, until, title, schedule, kind } = args;
  const peers = [
    ...peer.map((each) => idOf(each, members)),
    ...group.flatMap((each) => idsOfGroup(each, members)),
  ];
  return {
    peers: peers.length === 0 ? undefined : [...new Set(peers)],
    since: since?.(now),
    until: until?.(now),
    title,
    schedule,
    kind,
  };
}

/** The last who had the name: a removed machine's reports are found by its id. */
function idOf(peer: string, members: readonly Member[]): string {
  const memberships = members.map(({ membership }) => membership);
  const found =
    memberships.find(({ id }) => id === peer) ??
    memberships.findLast(({ name }) => name === peer.toLowerCase());
  if (found !== undefined) return found.id;
  const hint = hintOf(
    peer,
    memberships.map(({ name }) => name),
    '"ip-server peers --all" shows who there was',
  );
  throw new FilerError('no-such-peer', `there is no machine ${JSON.stringify(peer)}, ${hint}`);
}

function idsOfGroup(group: string, members: readonly Member[]): string[] {
  const ids = members.flatMap(({ membership: { id, groups } }) => (groups.includes(group) ? [id] : []));
  if (ids.length > 0) return ids;
  const hint = hintOf(
    group,
    members.flatMap(({ membership }) => membership.groups),
    '"ip-server peers" shows the groups of each machine',
  );
  throw new FilerError('no-such-peer', `no machine is in a group ${JSON.stringify(group)}, ${hint}`);
}

function hintOf(typed: string, names: readonly string[], otherwise: string): string {
  const near = nearNames(typed, new Set(names));
  return near.length > 0 ? `did you mean ${near.join(' or ')}?` : otherwise;
}

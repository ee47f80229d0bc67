import { styleText } from 'node:util';
import { fieldsOf, listOf, textOf } from '@filer/protocol';
import {
  formatAgo,
  formatBytes,
  layOutTable,
  type Cell,
  type Column,
  type OutputStream,
  type Screen,
} from '@filer/program';

/** What a terminal of 80 columns has no room for goes first; who, whether and since when always stay. */
const COLUMNS: readonly Column[] = [
  { title: 'NAME' },
  { title: 'STATE' },
  { title: 'REPORTS' },
  { title: 'LAST SEEN' },
  { title: 'GROUPS', dropOrder: 1 },
  { title: 'FREE', align: 'right', dropOrder: 2 },
  { title: 'LOAD', align: 'right', dropOrder: 3 },
  { title: 'ADDRESS', dropOrder: 4 },
  { title: 'VERSION', dropOrder: 5 },
];

/** Schedules of one machine that are named; of more only how many. */
const NAMED = 2;

/** What the table needs of one machine, checked. Times in ms since the epoch. */
interface PeerRow {
  readonly name: string;
  readonly state: string;
  readonly online: boolean;
  readonly lastSeen: number;
  readonly groups: readonly string[];
  readonly addresses: readonly string[];
  readonly version: string;
  readonly reports: string;
  readonly schedules: readonly ScheduleRow[];
  readonly freeBytes: number | undefined;
  readonly load: number | undefined;
}

interface ScheduleRow {
  readonly name: string;
  readonly state: string;
  readonly since: number;
}

export interface ScreenSize {
  readonly now: number;
  readonly columns: number;
}

/** Lays out what `peers` answers: late and missing first, then the lost, then the others, each by name. */
export function peersScreen(document: unknown, { now, columns }: ScreenSize, stdout: OutputStream): Screen {
  const rows = rowsOf(document);
  const sorted = rows.toSorted((a, b) => urgency(a) - urgency(b));
  const styled =
    (format: 'red' | 'yellow') =>
    (text: string): string =>
      styleText(format, text, { stream: stdout });
  const mark = (text: string, state: string): Cell => {
    if (state === 'missing' || state === 'lost') return { text, style: styled('red') };
    return state === 'late' ? { text, style: styled('yellow') } : text;
  };
  const { head, rows: items } = layOutTable(
    COLUMNS,
    sorted.map((row) => [
      row.name,
      mark(stateWords(row), row.state),
      mark(reportWords(row, now), row.reports),
      row.online ? 'now' : formatAgo(row.lastSeen, now),
      row.groups.join(' '),
      row.freeBytes === undefined ? '' : formatBytes(row.freeBytes),
      row.load?.toFixed(2) ?? '',
      row.addresses.join(' '),
      row.version,
    ]),
    columns,
  );
  return { head, items };
}

/** What of the answer is worth a new line where each change is printed. */
export function peersKey(document: unknown): unknown {
  return [
    isConnected(document),
    rowsOf(document).map(({ name, state, groups, addresses, version, schedules }) => [
      name,
      state,
      groups,
      addresses,
      version,
      schedules,
    ]),
  ];
}

function isConnected(document: unknown): boolean {
  return fieldsOf(fieldsOf(document, 'peers')['server'], 'server')['connected'] === true;
}

/** Nobody is online at a server that is stopped: whom it lost, and who was there until then, cannot be told apart. */
function rowsOf(document: unknown): PeerRow[] {
  const rows = listOf(fieldsOf(document, 'peers')['peers'], 'peers', Number.POSITIVE_INFINITY, peerRow);
  if (isConnected(document)) return rows;
  return rows.map((row) => (row.state === 'lost' ? { ...row, state: 'unknown' } : row));
}

function peerRow(value: unknown): PeerRow {
  const fields = fieldsOf(value, 'peer');
  const texts = (key: string): string[] => listOf(fields[key], key, Number.POSITIVE_INFINITY, textOf);
  const heartbeat =
    fields['lastHeartbeat'] === null ? {} : fieldsOf(fields['lastHeartbeat'], 'lastHeartbeat');
  const number = (key: string): number | undefined =>
    typeof heartbeat[key] === 'number' ? heartbeat[key] : undefined;
  return {
    name: textOf(fields['name'], 'name'),
    state: textOf(fields['state'], 'state'),
    online: fields['online'] === true,
    lastSeen: Date.parse(textOf(fields['lastSeen'], 'lastSeen')),
    groups: texts('groups'),
    addresses: texts('addresses'),
    version: textOf(fields['version'] ?? '', 'version'),
    reports: textOf(fields['reports'], 'reports'),
    schedules: listOf(fields['schedules'], 'schedules', Number.POSITIVE_INFINITY, scheduleRow),
    freeBytes: number('inboxFreeBytes'),
    load: number('load'),
  };
}

function scheduleRow(value: unknown): ScheduleRow {
  const fields = fieldsOf(value, 'schedule');
  return {
    name: textOf(fields['name'], 'name'),
    state: textOf(fields['state'], 'state'),
    since: Date.parse(textOf(fields['since'], 'since')),
  };
}

function urgency({ reports, state }: PeerRow): number {
  if (reports === 'missing') return 0;
  if (reports === 'late') return 1;
  return state === 'lost' ? 2 : 3;
}

function stateWords({ state }: PeerRow): string {
  return state === 'stopped' || state === 'lost' ? `offline (${state})` : state;
}

/** `missing health 25m, late nightly 3m`: which, and for how long already. */
function reportWords({ reports, schedules }: PeerRow, now: number): string {
  const wrong = ['missing', 'late'].flatMap((state) => schedules.filter((each) => each.state === state));
  if (wrong.length === 0) return reports === 'none' ? '' : reports;
  const named = wrong
    .slice(0, NAMED)
    .map(({ name, state, since }) => `${state} ${name} ${forHowLong(since, now)}`);
  const more = wrong.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** `25m`: by the largest unit. */
function forHowLong(since: number, now: number): string {
  return formatAgo(Math.min(since, now - 1_000), now).replace(' ago', '');
}

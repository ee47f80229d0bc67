import { styleText } from 'node:util';
import {
  formatAgo,
  formatBytes,
  layOutTable,
  type Cell,
  type Column,
  type OutputStream,
  type Screen,
} from '@filer/program';
import type { PeerEntry, PeersDocument } from '../../api/contract/members.ts';

/** What a terminal of 80 columns has no room for goes first; who, whether and since when always stay. */
const COLUMNS: readonly Column[] = [
  { title: 'NAME', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'REPORTS' },
  { title: 'LAST SEEN', fit: 'whole' },
  { title: 'GROUPS', dropOrder: 1 },
  { title: 'FREE', fit: 'whole', align: 'right', dropOrder: 2 },
  { title: 'LOAD', fit: 'whole', align: 'right', dropOrder: 3 },
  { title: 'ADDRESS', dropOrder: 4 },
  { title: 'VERSION', fit: 'whole', dropOrder: 5 },
];

/** Schedules of one machine that are named; of more only how many. */
const NAMED = 2;

export interface ScreenSize {
  readonly now: number;
  readonly columns: number;
}

/** Lays out what `peers` answers: late and missing first, then the lost, then the others, each by name. */
export function peersScreen(
  { server, peers }: PeersDocument,
  { now, columns }: ScreenSize,
  stdout: OutputStream,
): Screen {
  const rows = peers.map((peer) => ({ ...peer, shown: shownState(peer, server.connected) }));
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
      mark(stateWords(row), row.shown),
      mark(reportWords(row, now), row.reports),
      row.online ? 'now' : formatAgo(Date.parse(row.lastSeen), now),
      row.groups.join(' '),
      row.lastHeartbeat === null ? '' : formatBytes(row.lastHeartbeat.inboxFreeBytes),
      row.lastHeartbeat?.load.toFixed(2) ?? '',
      row.addresses.join(' '),
      row.version ?? '',
    ]),
    columns,
  );
  return { head, items };
}

/** What of the answer is worth a new line where each change is printed. */
export function peersKey({ server, peers }: PeersDocument): unknown {
  return [
    server.connected,
    peers.map((peer) => [
      peer.name,
      shownState(peer, server.connected),
      peer.groups,
      peer.addresses,
      peer.version,
      peer.schedules.map(({ name, state, since }) => [name, state, since]),
    ]),
  ];
}

type ShownState = PeerEntry['state'] | 'unknown';

/** A stopped server does not know which of the machines that were online still are. */
function shownState({ state }: PeerEntry, isConnected: boolean): ShownState {
  return state === 'lost' && !isConnected ? 'unknown' : state;
}

function urgency({ reports, shown }: { reports: PeerEntry['reports']; shown: ShownState }): number {
  if (reports === 'missing') return 0;
  if (reports === 'late') return 1;
  return shown === 'lost' ? 2 : 3;
}

function stateWords({ shown }: { shown: ShownState }): string {
  return shown === 'stopped' || shown === 'lost' ? `offline (${shown})` : shown;
}

/** `missing health 25m, late nightly 3m`: which, and for how long already. */
function reportWords({ reports, schedules }: PeerEntry, now: number): string {
  const wrong = ['missing', 'late'].flatMap((state) => schedules.filter((each) => each.state === state));
  if (wrong.length === 0) return reports === 'none' ? '' : reports;
  const named = wrong
    .slice(0, NAMED)
    .map(({ name, state, since }) => `${state} ${name} ${forHowLong(Date.parse(since), now)}`);
  const more = wrong.length - named.length;
  return [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

/** `25m`: by the largest unit. */
function forHowLong(since: number, now: number): string {
  return formatAgo(Math.min(since, now - 1_000), now).replace(' ago', '');
}

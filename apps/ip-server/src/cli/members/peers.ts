import {
  flag,
  formatAgo,
  formatBytes,
  layOutTable,
  LiveView,
  screenLines,
  type ArgumentValues,
  type Cell,
  type Column,
  type Context,
  type OutputStream,
  type Screen,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { asking } from '../asking.ts';
import { following } from '../following.ts';
import { shortId } from '../servers/servers.ts';
import { styleText } from 'node:util';
import type { PeerEntry, PeersDocument } from '../../api/contract/members.ts';

export const args = {
  all: flag('include machines that left or were removed'),
  watch: flag('keep running, and show every change'),
};
type PeersArguments = ArgumentValues<typeof args>;

export const examples = ['peers', 'peers --watch', 'peers --json'];

const NOBODY = 'No machine has joined yet; make an invite: ip-server invite';

export async function run(args: PeersArguments, context: Context): Promise<void> {
  if (args.watch) await watch(args.all, context);
  else show(await asking(context, {}, (server) => server.call(contract.peers, { all: args.all })), context);
}

function show(document: PeersDocument, { output, stdout }: Context): void {
  output.json(document);
  const now = Date.now();
  const screen = peersScreen(document, { now, columns: output.columns }, stdout);
  if (screen.items.length === 0) output.words(NOBODY);
  else for (const line of screenLines(screen)) output.line(line);
  const stopped = stoppedWords(document, now);
  if (stopped !== undefined && screen.items.length > 0) output.warn(stopped);
}

async function watch(all: boolean, context: Context): Promise<void> {
  const { output, stdout } = context;
  using view = new LiveView<PeersDocument>(context, {
    layOut: (document, size) => {
      const { head = [], items } = peersScreen(document, size, stdout);
      const stopped = stoppedWords(document, size.now);
      return {
        head,
        items: items.length === 0 ? [[NOBODY]] : items,
        foot: stopped === undefined ? [] : [`${stopped}; it is waited for`],
      };
    },
    // Programs get every number; a person who reads line by line what changed.
    keyOf: (document) => (output.jsonMode ? jsonKey(document) : peersKey(document)),
  });
  const show = (document: PeersDocument): void => view.show(document);
  await following(context, {
    types: ['peer', 'schedule'],
    refresh: async (server) => show(await server.call(contract.peers, { all })),
  });
}

/** When it was asked is no change. */
function jsonKey({ server, peers }: PeersDocument): unknown {
  return [server.connected, peers];
}

/** That what is shown is not how it is now; undefined while the server runs. */
function stoppedWords({ server }: PeersDocument, now: number): string | undefined {
  if (server.connected) return undefined;
  const asOf = formatAgo(Date.parse(server.asOf), now);
  return `the server is stopped: this is how it was ${asOf}`;
}

/** What a terminal of 80 columns has no room for goes first; who, whether and since when always stay. */
const COLUMNS: readonly Column[] = [
  { title: 'NAME', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'REPORTS' },
  { title: 'LAST SEEN', fit: 'whole' },
  { title: 'GROUPS', dropOrder: 1 },
  { title: 'SERVER', fit: 'whole', dropOrder: 2 },
  { title: 'FREE', fit: 'whole', align: 'right', dropOrder: 3 },
  { title: 'LOAD', fit: 'whole', align: 'right', dropOrder: 4 },
  { title: 'ADDRESS', dropOrder: 5 },
  { title: 'VERSION', fit: 'whole', dropOrder: 6 },
];

/** Schedules of one machine that are named; of more only how many. */
const NAMED = 2;

interface ScreenSize {
  readonly now: number;
  readonly columns: number;
}

/** Lays out what `peers` answers: late and missing first, then the lost, then the others, each by name. */
export function peersScreen(
  { server, peers }: PeersDocument,
  { now, columns }: ScreenSize,
  stdout: OutputStream,
): Screen {
  const isSeveral = (server.count ?? 1) > 1;
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
      // Of several servers: the column is left out where it is empty.
      isSeveral && row.server !== null ? shortId(row.server) : '',
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
function peersKey({ server, peers }: PeersDocument): unknown {
  return [
    server.connected,
    peers.map((peer) => [
      peer.name,
      shownState(peer, server.connected),
      peer.groups,
      peer.addresses,
      peer.version,
      peer.server,
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

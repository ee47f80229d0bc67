import { cutEnd, formatAgo, printable, renderFields, type Context } from '@filer/program';
import type { Peers, Status } from '../../api/contract/peers.ts';
import type { Transfers } from '../../api/contract/transfers.ts';
import { transferItems } from '../files/transfers.ts';
import { namesWithin } from './names-within.ts';
import { endedWords } from './status.ts';

/** Lines of transfers: more than these are counted. */
const MAX_TRANSFER_LINES = 8;

/** Of a line without a terminal. */
const WIDEST = 100;

/** What stands before a text: the longest title, and a gap. */
const TITLE_COLUMNS = 'ip-server'.length + 2;

export interface Overview {
  readonly status: Status;
  /** Undefined for a machine that is no member: it has no peers. */
  readonly peers: Peers | undefined;
  readonly transfers: Transfers;
}

/** Less than a screen. */
export function overviewLines(found: Overview, context: Pick<Context, 'output' | 'calledAs'>): string[] {
  const { status } = found;
  const columns = Math.min(context.output.columns, WIDEST);
  const ended = endedWords(status);
  const inbox: [string, string] = ['files to', context.output.path(status.inbox)];
  if (ended !== undefined) return [ended, ...renderFields([inbox], columns)];
  const { calledAs } = context;
  const transfers = transferItems(found.transfers, Date.now());
  const lines = transfers.flat();
  const facts: [string, string][] = [
    ['this', thisMachine(status, calledAs)],
    ['ip-server', serverWords(status, found.peers)],
    ...othersWords(found.peers, columns - TITLE_COLUMNS),
    inbox,
    ...whenAny(status.offers, 'offers', `${status.offers} wait for an answer: ${calledAs} inbox`),
    ...whenAny(status.spool, 'reports', `${status.spool} wait for the ip-server`),
    ...whenAny(status.spoolRefused, 'refused', `${status.spoolRefused} reports: ${calledAs} report spool`),
    [
      'transfers',
      transfers.length === 0
        ? 'none runs or waits'
        : `${transfers.length} run or wait: ${calledAs} transfers`,
    ],
  ];
  const first = found.peers?.peers.find((peer) => peer.online)?.name ?? 'NAME';
  return [
    ...renderFields(facts, columns),
    ...lines.slice(0, MAX_TRANSFER_LINES).map((line) => cutEnd(`  ${line}`, columns)),
    ...(lines.length > MAX_TRANSFER_LINES ? [`  and ${lines.length - MAX_TRANSFER_LINES} more lines`] : []),
    '',
    cutEnd(`${calledAs} send FILE ${first}:   ${calledAs} help`, columns),
  ];
}

/** Who is there, and who is not, in a line each. */
function othersWords(peers: Peers | undefined, columns: number): [string, string][] {
  const others = peers?.peers ?? [];
  if (others.length === 0) return [['online', 'no other machine has joined']];
  const names = (online: boolean): string[] =>
    others.flatMap((peer) => (peer.online === online ? [peer.name] : []));
  return [
    ['online', namesWithin(names(true), columns)],
    ...whenAny(names(false).length, 'offline', namesWithin(names(false), columns)),
  ];
}

function whenAny(count: number, title: string, text: string): [string, string][] {
  return count === 0 ? [] : [[title, text]];
}

function thisMachine({ name, groups, running, listen }: Status, calledAs: string): string {
  const who = [name, ...groups.map((group) => `@${group}`)].join(' ');
  return running ? `${who}, listens on ${listen ?? '?'}` : `${who}, no daemon runs: ${calledAs} start`;
}

/** A daemon knows whether it is connected; without one the question of just now says it. */
function serverWords({ server, running }: Status, peers: Peers | undefined): string {
  const { connected, asOf, problem = null } = running || peers === undefined ? server : peers.server;
  if (connected) return `${server.address}, connected`;
  const since = asOf === null ? '' : `, last seen ${formatAgo(Date.parse(asOf), Date.now())}`;
  const why =
    problem === null || problem.code === 'server-unreachable' ? '' : `: ${printable(problem.message)}`;
  return `${server.address}, away${since}${why}`;
}

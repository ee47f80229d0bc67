import { FilerError } from '@filer/protocol';
import { contract } from '../../api/contract.ts';
import { openDaemon } from '../../api/daemon-client.ts';
import { cutEnd, formatAgo, printable, renderFields, type Context } from '@filer/program';
import type { Peers, Status } from '../../api/contract/peers.ts';
import type { Transfers } from '../../api/contract/transfers.ts';
import { transferItems } from '../files/transfers.ts';
import { endedWords } from './status.ts';

/** Where no daemon keeps the directory, the server may take half of this, in ms: the disk knows most of it. */
const ASK_SERVER_MS = 4_000;

export const examples = ['overview', 'overview --json'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output, calledAs } = context;
  const found = await look(context);
  if (found === undefined) output.json({ joined: false });
  else output.json({ joined: true, ...found });
  for (const line of found === undefined ? firstSteps(calledAs) : overviewLines(found, context))
    output.line(line);
}

/** @returns undefined on a machine that is in no network */
async function look(context: Context): Promise<Overview | undefined> {
  const { signal } = context;
  try {
    await using daemon = await openDaemon(context);
    let peers: Peers | undefined;
    try {
      peers = await daemon.call(contract.peers, { timeoutMs: ASK_SERVER_MS }, { signal });
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'removed') throw error;
    }
    // After the server was asked: what it says of this machine counts here, too.
    const status = await daemon.call(contract.status, {}, { signal });
    return { status, peers, transfers: await daemon.call(contract.transfers, {}, { signal }) };
  } catch (error) {
    if (error instanceof FilerError && error.code === 'not-joined') return undefined;
    throw error;
  }
}

function firstSteps(calledAs: string): string[] {
  return [
    'This machine is in no network.',
    '',
    'Join one, with a link from `ip-server invite`:',
    `  ${calledAs} join - --service`,
    'Or start one on this machine:',
    '  ip-server start',
  ];
}

/** Lines of transfers: more than these are counted. */
const MAX_TRANSFER_LINES = 8;

/** Of a line without a terminal. */
const WIDEST = 100;

/** What stands before a text: the longest title, and a gap. */
const TITLE_COLUMNS = 'ip-server'.length + 2;

interface Overview {
  readonly status: Status;
  /** Undefined for a machine that is no member: it has no peers. */
  readonly peers: Peers | undefined;
  readonly transfers: Transfers;
}

/** Less than a screen. */
function overviewLines(found: Overview, context: Pick<Context, 'output' | 'calledAs'>): string[] {
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

/** As many names as fit into a line, and how many more there are: `bob, carol and 37 more`. */
export function namesWithin(names: readonly string[], columns: number): string {
  if (names.length === 0) return 'none';
  const whole = names.join(', ');
  if (whole.length <= columns) return whole;
  let shown = names.length - 1;
  const cut = (): string => `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`;
  while (shown > 1 && cut().length > columns) shown--;
  return cut();
}

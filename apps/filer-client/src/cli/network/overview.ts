import { FilerError } from '@filer/protocol';
import { formatAgo, printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { PeerLine, Peers, Status } from '../../api/contract/peers.ts';
import type { Transfers } from '../../api/contract/transfers.ts';
import { openDaemon } from '../../api/daemon-client.ts';
import { transferItems } from '../files/transfers.ts';
import { namesWithin } from './names-within.ts';
import { noServerWords } from './no-server-messages.ts';
import { endedWords, serverLine } from './status.ts';

/** Where no daemon keeps the directory, the server may take half of this, in ms: the disk knows most of it. */
const ASK_SERVER_MS = 4_000;

/** Lines of transfers: more than these are counted. */
const MAX_TRANSFER_LINES = 8;

/** Of a line without a terminal. */
const WIDEST = 100;

const LABEL_WIDTH = 11;

export async function run(_args: object, context: Context): Promise<void> {
  const { output, signal, calledAs } = context;
  let found: Found;
  try {
    found = await look(context, signal);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'not-joined') throw error;
    output.json({ joined: false });
    for (const line of firstSteps(calledAs)) output.line(line);
    return;
  }
  const { status, peers, transfers } = found;
  output.json({ joined: true, status, peers, transfers });
  for (const line of linesOf(found, context)) output.line(line);
}

interface Found {
  readonly status: Status;
  /** Undefined for a machine that is no member: it has no peers. */
  readonly peers: Peers | undefined;
  readonly transfers: Transfers;
}

async function look(context: Context, signal: AbortSignal): Promise<Found> {
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
}

function firstSteps(calledAs: string): string[] {
  return [
    'This machine is in no network yet.',
    '',
    `  Join one, with a link from \`ip-server invite\`:   ${calledAs} join -`,
    '  Or start one on this machine:                    ip-server start',
  ];
}

function linesOf({ status, peers, transfers }: Found, { output, calledAs }: Context): string[] {
  const columns = Math.min(output.columns, WIDEST);
  const ended = endedWords(status);
  const groups = status.groups.map((group) => ` @${group}`).join('');
  const others = peers?.peers ?? [];
  const online = others.filter((peer) => peer.online);
  const items = transferItems(transfers, Date.now()).flat();
  const row = (label: string, value: string): string => `${label.padEnd(LABEL_WIDTH)} ${value}`;
  const names = (among: readonly PeerLine[]): string =>
    namesWithin(
      among.map(({ name }) => name),
      columns - LABEL_WIDTH - 1,
    );
  const offline = others.filter((peer) => !peer.online);
  return [
    ...(ended === undefined ? [] : [ended, '']),
    row(
      'this',
      `${status.name}${groups}, ${status.running ? `listens on ${status.listen ?? '?'}` : `no daemon runs: ${calledAs} start`}`,
    ),
    row('ip-server', serverWords(status, peers)),
    ...(others.length === 0
      ? [row('online', 'no other machine has joined yet')]
      : [row('online', names(online))]),
    ...(offline.length === 0 ? [] : [row('offline', names(offline))]),
    row('files to', printable(output.path(status.inbox))),
    ...(status.offers === 0 ? [] : [row('offers', `${status.offers} wait for an answer: ${calledAs} inbox`)]),
    ...(status.spool === 0 ? [] : [row('reports', `${status.spool} wait for the ip-server`)]),
    ...(status.spoolRefused === 0
      ? []
      : [row('refused', `${status.spoolRefused} reports: ${calledAs} report spool`)]),
    ...(items.length === 0 ? [row('transfers', 'none runs or waits')] : ['transfers']),
    ...items.slice(0, MAX_TRANSFER_LINES).map((line) => `  ${line}`),
    ...(items.length > MAX_TRANSFER_LINES ? [`  …  ${calledAs} transfers shows all`] : []),
    '',
    `${calledAs} send FILE ${online[0]?.name ?? 'NAME'}:    ${calledAs} peers    ${calledAs} help`,
  ];
}

/** A daemon knows whether it is connected; without one the question of just now says it. */
function serverWords(status: Status, peers: Peers | undefined): string {
  if (status.running || peers === undefined) return serverLine(status);
  const { connected, asOf, problem } = peers.server;
  if (connected) return `${status.server.address} (answers)`;
  const since = asOf === null ? '' : `, directory as of ${formatAgo(Date.parse(asOf), Date.now())}`;
  return `${status.server.address} (${noServerWords(problem)}${since})`;
}

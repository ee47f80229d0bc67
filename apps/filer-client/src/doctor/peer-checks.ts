import {
  askBounded,
  BoundedAnswer,
  FilerError,
  isHandshakeUnanswered,
  MEASURE_BYTES,
  MEASURE_MS,
  measureBackMessage,
  measuredMessage,
  measureEndMessage,
  measureGrantedMessage,
  measureMessage,
  measurePieceMessage,
  Session,
  tcpAddressesOf,
  type ErrorCode,
  type Message,
  type Parsed,
} from '@filer/protocol';
import { failed, failedBy, formatBytes, ok, skipped, type Check, type Facts } from '@filer/program';
import { PieceCount, sendPieces } from '../network/measurements.ts';
import type { Outreach } from '../network/outreach.ts';
import { reachPeer, type PeerConnection } from '../network/reach-peer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { DIRECT } from '../network/paths/direct.ts';
import { checkPathMtu } from './path-mtu.ts';
import { checkClock, inMs, probe, rounded } from './server-checks.ts';
import { bestOf, checkDirect, checkStalled, MTU_REMEDY } from './way-checks.ts';

/** What is still on its way when the time of a measurement is over, in ms. */
const LATE_MS = 5_000;

/** Of so few bytes a rate says little. */
const FEW_BYTES = 1_024;

const ON_PEER = 'on that machine: `filer-client doctor`';

function peerRemedy(code: ErrorCode, name: string): string {
  const remedies: Partial<Record<ErrorCode, string>> = {
    'identity-changed': `ask who runs it, and if it is right: \`filer-client trust ${name}\``,
    'peer-unreachable': `${ON_PEER}; it says whether its daemon runs and its port is open`,
    removed: 'on the server: `ip-server invite`; on that machine: `filer-client join - --new-identity`',
  };
  return remedies[code] ?? ON_PEER;
}

/** Looks at the way to a peer: whether and how it is reached, how long that takes, how much goes through. */
export async function* checkPeer(
  outreach: Outreach,
  peer: KnownPeer,
  signal: AbortSignal,
): AsyncGenerator<Check, void, void> {
  let connection: PeerConnection;
  const began = performance.now();
  let connectMs = 0;
  let whyNotDirect: Promise<Check> | undefined;
  try {
    const improving = new AbortController();
    const improves = AbortSignal.any([signal, improving.signal]);
    const first = await reachPeer(outreach, peer, { purpose: 'session' }, { signal, improves });
    connectMs = performance.now() - began;
    if (first.via !== DIRECT) whyNotDirect = checkDirect(outreach, peer, signal);
    connection = await bestOf(first, improving);
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof FilerError ? error.code : 'internal';
    yield failedBy('peer', error, isHandshakeUnanswered(error) ? MTU_REMEDY : peerRemedy(code, peer.name));
    return;
  }
  const { messenger, welcome, via } = connection;
  const session = new Session(messenger);
  try {
    const direct = await whyNotDirect;
    const probed = await probe(session, signal);
    // Over a third machine there is no address of the peer.
    const address = tcpAddressesOf([messenger.addr]).length > 0 ? messenger.addr : null;
    const atWords = address === null ? '' : ` at ${address}`;
    const facts: Facts = {
      name: peer.name,
      id: peer.id,
      via,
      address,
      roundTripMs: rounded(probed.roundTripMs),
      connectMs: rounded(connectMs),
      version: welcome.software,
    };
    yield ok(
      'peer',
      `${peer.name} is reached ${via}${atWords}, round trip ${inMs(probed.roundTripMs)}, version ${welcome.software}`,
      facts,
    );
    if (direct !== undefined && via !== DIRECT) yield direct;
    const stalled = checkStalled(outreach, peer);
    if (stalled !== undefined) yield stalled;
    yield { ...checkClock(probed.aheadMs, peer.name), check: 'peer-clock' };
    yield await checkThroughput(outreach, session, { name: peer.name, via }, signal);
    // Over a third machine, the connection of this one ends there.
    yield await checkPathMtu(messenger.socket, address === null ? via : undefined);
  } catch (error) {
    signal.throwIfAborted();
    yield failedBy('peer', error, ON_PEER);
  } finally {
    if (signal.aborted) messenger.destroy();
    else await session.close();
  }
}

/** What the peer permits: its words. */
type Granted = Parsed<typeof measureGrantedMessage>;

interface Rate {
  readonly bytes: number;
  readonly ms: number;
}

async function checkThroughput(
  { member }: Outreach,
  session: Session,
  { name, via }: Pick<PeerConnection, 'via'> & { readonly name: string },
  signal: AbortSignal,
): Promise<Check> {
  let up: Rate | undefined;
  try {
    const granted = measureGrantedMessage.parse(await session.ask(measureMessage.format({}), { signal }));
    up = await measureUp(member, session, granted, signal);
    const down = await measureDown(member, session, name, granted, signal);
    const [sending, receiving] = [bytesPerSecond(up), bytesPerSecond(down)];
    const facts = { upBytesPerSecond: sending, downBytesPerSecond: receiving, via };
    return ok(
      'throughput',
      `${rateWords(sending)} to ${name}, ${rateWords(receiving)} from it, ${via}${limitWords(member)}`,
      facts,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    if (error.code === 'unsupported')
      return skipped('throughput', `${name} is an older version and permits no measurement`);
    if (error.code === 'refused' || error.code === 'rate-limited')
      return skipped('throughput', error.message);
    const direction = up === undefined ? 'to' : 'from';
    return failed('throughput', `no measurement ${direction} ${name}, ${via}: ${error.message}`, MTU_REMEDY, {
      code: error.code,
      via,
    });
  }
}

/** What the peer says that it received, and never more than was sent. @throws FilerError */
async function measureUp(
  member: Outreach['member'],
  session: Session,
  granted: Granted,
  signal: AbortSignal,
): Promise<Rate> {
  const maxMs = Math.min(granted.maxMs, MEASURE_MS);
  const maxBytes = Math.min(granted.maxBytes, MEASURE_BYTES);
  // One that does not read is left.
  const stalled = setTimeout(() => session.messenger.destroy(tooSlow()), maxMs + LATE_MS);
  try {
    const sent = await sendPieces(member, session, {}, { maxBytes, maxMs, signal });
    const asked = session.ask(measureEndMessage.format({}), { timeoutMs: LATE_MS + maxMs, signal });
    const told = measuredMessage.parse(await asked);
    return { bytes: Math.min(told.bytes, sent.bytes), ms: told.ms };
  } finally {
    clearTimeout(stalled);
  }
}

/** What comes here, as it is counted here: the peer's own count is not needed. @throws FilerError */
async function measureDown(
  { limits }: Outreach['member'],
  session: Session,
  name: string,
  granted: Granted,
  signal: AbortSignal,
): Promise<Rate> {
  const received = new PieceCount();
  const bounds = {
    rows: Infinity,
    bytes: 2 * Math.min(granted.maxBytes, MEASURE_BYTES),
    ms: MEASURE_MS + LATE_MS,
    silentMs: LATE_MS,
  };
  using answer = new BoundedAnswer(name, 'pieces', bounds);
  const readPiece = (message: Message): readonly number[] => {
    if (message.header['more'] === undefined) {
      measuredMessage.parse(message);
      return [];
    }
    const bytes = measurePieceMessage.parse(message).content.length;
    received.take(bytes);
    return [bytes];
  };
  const pieces = askBounded(session, measureBackMessage.format({}), readPiece, answer, signal);
  try {
    for await (const [bytes = 0] of pieces) await limits.receive.take(bytes, answer.signal);
  } finally {
    // What is still on its way of one that does not end is not read.
    if (answer.reached !== undefined) session.messenger.destroy(answer.reached);
  }
  return received.result;
}

function tooSlow(): FilerError {
  return new FilerError('timed-out', `nothing was taken for ${LATE_MS / 1_000} s`);
}

/** @returns null for what is too little to tell */
function bytesPerSecond({ bytes, ms }: Rate): number | null {
  return bytes < FEW_BYTES || ms < 1 ? null : Math.round((bytes / ms) * 1_000);
}

function rateWords(rate: number | null): string {
  return rate === null ? 'too little to tell' : `${formatBytes(rate)}/s`;
}

function limitWords({ limits }: Outreach['member']): string {
  const isLimited = limits.send.rate !== undefined || limits.receive.rate !== undefined;
  return isLimited ? ' (within the limits of this machine)' : '';
}

import { FilerError, type Hello, type Membership, type Messenger } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import { dialPeer } from './peer-dial.ts';
import { reachPeer, type Outreach } from './reach-peer.ts';

/** Below this a connection in the other direction costs more time than it saves. */
const CALL_BACK_FROM_BYTES = 128 * 1024 * 1024;

/** How long the receiver may try, and how long the sender waits for it, in ms. */
const CALL_BACK_MS = 2_000;
const WAIT_MS = 3_000;

/** The word in `features` for it. */
export const CALLS_BACK = 'call-back';

/**
 * Reaches a peer to send it files. For much it is asked to open the connection itself, since Node reads fastest
 * on the side that connects; where it cannot, the first connection serves.
 *
 * @param bytes that will be sent, as far as that is known
 * @throws FilerError as `reachPeer`
 */
export async function reachForTransfer(
  outreach: Outreach,
  peer: KnownPeer,
  bytes: number,
  signal: AbortSignal,
): Promise<Messenger> {
  const { callBacks } = outreach.member;
  if (bytes < CALL_BACK_FROM_BYTES || !callBacks.mayAsk(peer.id, performance.now())) {
    return (await reachPeer(outreach, peer, { purpose: 'transfer' }, signal)).messenger;
  }
  using asked = callBacks.ask(peer.id);
  const hello = { purpose: 'transfer', callBack: asked.token, features: [CALLS_BACK] } as const;
  const { messenger, welcome } = await reachPeer(outreach, peer, hello, signal);
  if (!welcome.features.includes(CALLS_BACK)) return messenger;
  const { promise: waitedLong, resolve: stopWaiting } = Promise.withResolvers<void>();
  const timer = setTimeout(stopWaiting, WAIT_MS);
  signal.addEventListener('abort', () => stopWaiting(), { once: true });
  // The first word on this connection says that it could not, and is read here even when it comes late.
  const couldNot = messenger[Symbol.asyncIterator]().next();
  const back = await Promise.race([
    asked.connection,
    couldNot.then(() => undefined),
    waitedLong.then(() => undefined),
  ]);
  clearTimeout(timer);
  if (back === undefined) {
    if (!signal.aborted) callBacks.failed(peer.id, performance.now());
    void asked.connection.then((late) => late.destroy()); // it was welcomed just now: both would wait
    return messenger;
  }
  // The first one lasts as long: who cuts it, because this machine was removed, cuts both.
  void back.closed.then(() => messenger.close());
  return back;
}

/**
 * The other side of it: opens the connection that a sender asked for.
 *
 * @param outreach undefined while this machine is not ready for it
 * @param messenger that of the sender's own connection: what it opened ends with it
 * @returns undefined where it cannot be opened; the sender has been told, and goes on with its own
 */
export async function callBack(
  outreach: Outreach | undefined,
  messenger: Messenger,
  from: Membership,
  { callBack: token }: Hello,
): Promise<Messenger | undefined> {
  if (token === undefined) return undefined;
  const couldNot = (): Promise<void> => messenger.send({ type: 'no-call-back' }).catch(() => undefined);
  const peer = outreach?.member.directory.byId(from.id);
  if (outreach === undefined || peer === undefined) {
    await couldNot();
    return undefined;
  }
  const gone = new AbortController();
  void messenger.closed.then(() => gone.abort(new FilerError('connection-closed', 'the sender left')));
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(CALL_BACK_MS)]);
  try {
    const { member, access, software } = outreach;
    // Where it came from and nowhere else: nobody lets this machine knock at the doors of its neighbours.
    const host = messenger.socket.remoteAddress?.replace(/^::ffff:(?=[0-9.]+$)/, '') ?? '';
    const isCurrent = access.current !== undefined;
    const reach = { software, overLoopback: access.overLoopback, isCurrent, host };
    const hello = { purpose: 'transfer', calledBack: token } as const;
    const own = (await dialPeer(member, peer, hello, reach, signal)).messenger;
    void messenger.closed.then((reason) => own.destroy(reason));
    return own;
  } catch (error) {
    if (!(error instanceof FilerError) && !signal.aborted) throw error;
    await couldNot();
    return undefined;
  }
}

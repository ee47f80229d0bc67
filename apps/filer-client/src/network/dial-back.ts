import { FilerError, type Hello, type Membership, type Messenger } from '@filer/protocol';
import { reverseTo } from './paths/reverse.ts';
import type { Outreach } from './outreach.ts';
import { dialPeer } from './reach-peer.ts';

/** How long the receiver may try, in ms: the sender waits a little longer. */
const DIAL_BACK_MS = 2_000;

/** Of one that has not come to the port for peers, the address is that of a third machine, or of a router. */
export function mayDialBack({ path }: Messenger): boolean {
  return path === undefined;
}

/**
 * Opens the reverse connection that a sender has asked for, if it has.
 *
 * @param direct the sender's own connection: the reverse one ends with it
 * @returns undefined where it cannot be opened; the sender has been told, and uses its own
 */
export async function dialBack(
  outreach: Outreach,
  direct: Messenger,
  from: Membership,
  { callBack: token }: Hello,
): Promise<Messenger | undefined> {
  if (token === undefined || !mayDialBack(direct)) return undefined;
  const reverse = await open(outreach, direct, from, token);
  if (reverse === undefined) await direct.send({ type: 'no-call-back' }).catch(() => undefined);
  else void direct.closed.then((reason) => reverse.destroy(reason));
  return reverse;
}

async function open(
  outreach: Outreach,
  direct: Messenger,
  { id }: Membership,
  token: string,
): Promise<Messenger | undefined> {
  const peer = outreach.member.directory.byId(id);
  if (peer === undefined) return undefined;
  const gone = new AbortController();
  void direct.closed.then(() => gone.abort(new FilerError('connection-closed', 'the sender left')));
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(DIAL_BACK_MS)]);
  const about = { purpose: 'transfer', calledBack: token } as const;
  const paths = [reverseTo(direct.socket.remoteAddress)];
  try {
    return (await dialPeer(outreach, peer, about, { paths, signal })).messenger;
  } catch (error) {
    if (!(error instanceof FilerError) && !signal.aborted) throw error;
    return undefined;
  }
}

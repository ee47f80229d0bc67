import { formatText, Session, type SignedText } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Outreach } from './outreach.ts';
import { reachPeer } from './reach-peer.ts';

/**
 * Delivers a text to one peer, over the session that is kept with it or over one of its own.
 *
 * @returns when the peer has it
 * @throws FilerError `peer-unreachable`, the peer's refusal, the reason of `signal`
 */
export async function tellText(
  outreach: Outreach,
  kept: Session | undefined,
  peer: KnownPeer,
  signed: SignedText,
  signal: AbortSignal,
): Promise<void> {
  if (kept !== undefined) {
    await kept.ask(formatText(signed), { signal });
    return;
  }
  const { messenger } = await reachPeer(outreach, peer, { purpose: 'session' }, { signal });
  const session = new Session(messenger);
  try {
    await session.ask(formatText(signed), { signal });
  } finally {
    // One that did not answer in time is not waited for.
    if (signal.aborted) session.messenger.destroy();
    else await session.close();
  }
}

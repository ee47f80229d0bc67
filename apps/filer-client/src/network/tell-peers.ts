import { FilerError, type Leave } from '@filer/protocol';
import { dialPeer } from './peer-dial.ts';
import type { Outreach } from './reach-peer.ts';

/** All of it takes at most so long, in ms: a person waits for the command. */
const TELL_MS = 5_000;
/** Peers that are dialled at once. */
const AT_ONCE = 16;

/**
 * Tells peers that this machine has left: each handshake brings it to them first, and they refuse the rest. Who is told
 * tells the others.
 */
export async function tellPeers(
  { member, access, software }: Outreach,
  leave: Leave,
  signal: AbortSignal,
): Promise<void> {
  member.removals.leaves.take([leave]);
  const reach = { software, overLoopback: access.overLoopback, isCurrent: access.current !== undefined };
  const stop = AbortSignal.any([signal, AbortSignal.timeout(TELL_MS)]);
  const peers = member.directory
    .peers()
    .filter(({ id, state, record }) => id !== member.id && state !== 'gone' && record !== undefined)
    .values();
  const tellOneByOne = async (): Promise<void> => {
    for (const peer of peers) {
      if (stop.aborted) return;
      try {
        const { messenger } = await dialPeer(member, peer, { purpose: 'session' }, reach, stop);
        await messenger.close();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FilerError) && !stop.aborted) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tellOneByOne));
}

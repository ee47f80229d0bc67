import { FilerError, type Leave } from '@filer/protocol';
import type { Outreach } from './outreach.ts';
import { PATHS } from './paths.ts';
import { dialPeer } from './reach-peer.ts';

/** All of it takes at most so long, in ms: a person waits for the command, which may allow less. */
const TELL_MS = 5_000;
/** Peers that are dialled at once. */
const AT_ONCE = 16;

/**
 * Tells peers that this machine has left: each handshake brings it to them first, and they refuse the rest. Who is told
 * tells the others.
 *
 * @param signal ends it with its reason @param over ends it as if all were told
 */
export async function tellPeers(
  outreach: Outreach,
  leave: Leave,
  { signal, over }: { readonly signal: AbortSignal; readonly over: AbortSignal },
): Promise<void> {
  const { member } = outreach;
  member.removals.leaves.take([leave]);
  const stop = AbortSignal.any([signal, over, AbortSignal.timeout(TELL_MS)]);
  const peers = member.directory
    .peers()
    .filter(({ id, state, record }) => id !== member.id && state !== 'gone' && record !== undefined)
    .values();
  const tellOneByOne = async (): Promise<void> => {
    for (const peer of peers) {
      if (stop.aborted) return;
      try {
        const { messenger } = await dialPeer(
          outreach,
          peer,
          { purpose: 'session' },
          { signal: stop, paths: PATHS },
        );
        await messenger.close();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FilerError) && !stop.aborted) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tellOneByOne));
}

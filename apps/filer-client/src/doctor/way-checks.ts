import { FilerError, isHandshakeUnanswered } from '@filer/protocol';
import { ok, warning, type Check } from '@filer/program';
import { reasonsInWords } from '../network/dial-failures.ts';
import type { Outreach } from '../network/outreach.ts';
import { candidatesOf } from '../network/paths.ts';
import type { PeerConnection } from '../network/reach-peer.ts';
import type { KnownPeer } from '../store/directory-store.ts';

/** Until it is clear whether there is a better path than the first one, in ms: dialling each other takes up to 4 s. */
const BETTER_MS = 6_000;

/** Where large packets are lost without a word. With 2 the kernel begins small; with 1 it finds out after the handshake was given up. */
export const MTU_REMEDY =
  'short messages pass and long ones do not: on both machines `sudo sysctl -w net.ipv4.tcp_mtu_probing=2`, or a smaller MTU, `sudo ip link set dev INTERFACE mtu 1280`; look at VPNs and tunnels in between';

/**
 * A relay is there before two routers have let each other's machine in: a transfer that begins over it moves.
 *
 * @param improving ends the search for better paths
 */
export async function bestOf(first: PeerConnection, improving: AbortController): Promise<PeerConnection> {
  const over = setTimeout(() => improving.abort(), BETTER_MS);
  const best = await first.better;
  clearTimeout(over);
  improving.abort();
  if (best === undefined) return first;
  await first.messenger.close();
  return best;
}

/** Why a peer that is reached in another way is not reached directly. */
export async function checkDirect(
  { member, access }: Outreach,
  { id, name, record }: KnownPeer,
  signal: AbortSignal,
): Promise<Check> {
  const ends = { identity: member.identity, expect: id };
  const candidates = candidatesOf(record?.addresses ?? [], access);
  const dialled = candidates.map(async ({ path, address }) => {
    const { socket } = await path.dial(address, ends, signal);
    socket.destroy();
  });
  const results = await Promise.allSettled(dialled);
  signal.throwIfAborted();
  const failures = results.flatMap((each) => {
    if (each.status === 'fulfilled') return [];
    if (each.reason instanceof FilerError) return [each.reason];
    throw each.reason;
  });
  const facts = { name, addresses: candidates.length, failed: failures.length };
  if (failures.length < candidates.length) return ok('direct', `${name} can be reached directly now`, facts);
  const why = candidates.length === 0 ? 'it has published no address' : reasonsInWords(failures);
  const words = `${name} is not reached directly: ${why}`;
  return failures.some(isHandshakeUnanswered)
    ? warning('direct', words, MTU_REMEDY, facts)
    : ok('direct', words, facts);
}

/** Paths that opened, and then let nothing through. */
export function checkStalled({ member }: Outreach, { id, name }: KnownPeer): Check | undefined {
  const places = member.stalledPaths.avoided(id);
  if (places.length === 0) return undefined;
  const words = `${name} was reached at ${places.join(', ')}, and then nothing got through: other paths are tried first`;
  return warning('stalled-path', words, MTU_REMEDY, { name, places: places.join(' ') });
}

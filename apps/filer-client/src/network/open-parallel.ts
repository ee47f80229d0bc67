import {
  MAX_PARALLEL,
  MAX_PARALLEL_PUNCHED,
  MAX_PARALLEL_RELAYED,
  PARALLEL,
  TRANSFER_LIMITS,
  type Messenger,
  type Welcome,
} from '@filer/protocol';
import { ParallelReceiving, type Channel, type OpenParallel } from '@filer/transfer';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Outreach } from './outreach.ts';
import { PATHS } from './paths.ts';
import { PUNCHED } from './paths/punched.ts';
import { isRelayed } from './paths/relayed.ts';
import { dialPeer, type DialPeerOptions } from './reach-peer.ts';

/** Further connections that a transfer may have on the path of its first one. */
export function mostParallel({ path }: Messenger): number {
  if (isRelayed(path)) return MAX_PARALLEL_RELAYED;
  return path === PUNCHED ? MAX_PARALLEL_PUNCHED : MAX_PARALLEL;
}

/** Opens further connections to a peer on the path that the first one took. */
export function openParallel(outreach: Outreach, peer: KnownPeer, { path }: Messenger): OpenParallel {
  const how: DialPeerOptions = isRelayed(path)
    ? { ways: 'relay' }
    : path === PUNCHED
      ? { ways: 'direct' }
      : { paths: PATHS };
  return async (signal) => {
    const known = outreach.member.directory.byId(peer.id) ?? peer;
    const about = { purpose: 'transfer', features: [PARALLEL] } as const;
    const { messenger } = await dialPeer(outreach, known, about, { ...how, signal });
    messenger.setLimits(TRANSFER_LIMITS);
    return messenger;
  };
}

/** The channel on which files of a peer come that was dialled: over several connections, where the peer asks for them. */
export function channelToReceive(
  outreach: Outreach,
  peer: KnownPeer,
  messenger: Messenger,
  { features }: Welcome,
): Channel {
  if (!features.includes(PARALLEL)) return messenger;
  const open = openParallel(outreach, peer, messenger);
  return new ParallelReceiving(messenger, { most: mostParallel(messenger), open, held: messenger.unread });
}

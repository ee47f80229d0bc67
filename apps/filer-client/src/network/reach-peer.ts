import { FilerError } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { ConnectionPurpose } from './hello.ts';
import type { Member } from './member.ts';
import { dialPeer, type PeerConnection } from './peer-dial.ts';
import { checkPin } from './pins.ts';
import type { ServerAccess } from './server-access.ts';

/** Who reaches out, and how. */
export interface Outreach {
  readonly member: Member;
  readonly access: ServerAccess;
  readonly software: string;
}

/**
 * Reaches a peer by what the directory on this machine says; where nobody answers, by what the server says now:
 * the peer may just have moved to another address.
 *
 * @throws FilerError `peer-unreachable`, `identity-changed`, the peer's refusal, or the reason of `signal`
 */
export async function reachPeer(
  { member, access, software }: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  signal?: AbortSignal,
): Promise<PeerConnection> {
  const dial = (known: KnownPeer): Promise<PeerConnection> =>
    dialPeer(
      member,
      known,
      about,
      { software, overLoopback: access.overLoopback, isCurrent: access.current !== undefined },
      signal,
    );
  const known = member.directory.byId(peer.id) ?? peer;
  checkPin(member, known);
  try {
    return await dial(known);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'peer-unreachable') throw error;
    await access.refresh(signal);
    const fresh = member.directory.byId(peer.id) ?? peer;
    if (fresh.record?.seq === known.record?.seq) throw error;
    return dial(fresh);
  }
}

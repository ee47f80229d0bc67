import { iso } from '@filer/program';
import type { PeerLine, peerMethods } from '../../api/contract/peers.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { Member } from '../../network/member.ts';
import { candidatesOf } from '../../network/paths.ts';
import { problemDocument } from '../../network/server-access.ts';
import { Deadline, serverUpToDate } from './deadline.ts';
import type { OperationOf } from '../operation-context.ts';

export const peers: OperationOf<typeof peerMethods.peers> = async (
  { member, access },
  { all = false, timeoutMs },
  { signal },
) => {
  using deadline = new Deadline(timeoutMs, signal);
  await serverUpToDate(access, deadline, signal);
  // What the server has not changed since it was connected is as of now.
  const asOf = access.current === undefined ? member.directory.asOf : Date.now();
  const shown = member.directory.peers().filter((peer) => all || isShown(member, peer));
  const problem = problemDocument(access);
  return {
    server: {
      connected: access.current !== undefined,
      asOf: asOf === undefined ? null : iso(asOf),
      ...(problem === null ? {} : { problem }),
    },
    peers: shown.map((peer) => lineOf(member, peer, access.current !== undefined, asOf)),
  };
};

function isShown(member: Member, peer: KnownPeer): boolean {
  return peer.id !== member.id && peer.state !== 'gone' && !member.removals.has(peer.id);
}

/**
 * @param isCurrent whether the server vouches for the directory now
 * @param asOf when it last did: who was online then was seen then
 */
function lineOf(member: Member, peer: KnownPeer, isCurrent: boolean, asOf: number | undefined): PeerLine {
  const lastSeen = peer.state === 'online' ? Math.max(peer.lastSeen, asOf ?? 0) : peer.lastSeen;
  const self = peer.id === member.id;
  const candidates = candidatesOf(peer.record?.addresses ?? [], { overLoopback: true });
  const removed = member.removals.has(peer.id);
  return {
    id: peer.id,
    name: peer.name,
    groups: peer.groups,
    online: peer.state === 'online' && isCurrent && !removed,
    state: removed ? 'removed' : stateOf(peer, isCurrent),
    lastSeen: lastSeen === 0 ? null : iso(lastSeen),
    addresses: candidates.map(({ address }) => address),
    via: member.pathsUsed.of(peer.id) ?? candidates[0]?.path.kind ?? null,
    version: null,
    ...(self ? { self: true } : {}),
  };
}

/** Who was online when the server was last there may be anywhere now. */
function stateOf({ state }: KnownPeer, isCurrent: boolean): string {
  return state === 'online' && !isCurrent ? 'unknown' : STATE_WORDS[state];
}

const STATE_WORDS: Readonly<Record<KnownPeer['state'], string>> = {
  online: 'online',
  stopped: 'stopped',
  lost: 'lost',
  gone: 'left',
};

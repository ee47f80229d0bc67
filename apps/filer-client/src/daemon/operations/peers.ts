import { fieldsOf } from '@filer/protocol';
import { iso } from '@filer/program';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { Member } from '../../network/member.ts';
import { refresh } from '../../network/command-access.ts';
import { problemDocument, type ServerProblemDocument } from '../../network/server-access.ts';
import type { Operation } from '../site.ts';

/** One line of `peers --json`. */
export interface PeerLine {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly online: boolean;
  readonly state: string;
  /** ISO 8601, or null for never */
  readonly lastSeen: string | null;
  readonly addresses: readonly string[];
  readonly via: 'direct' | null;
  readonly version: string | null;
  readonly self?: true;
}

export interface Peers {
  readonly server: {
    readonly connected: boolean;
    readonly asOf: string | null;
    /** Why there is no connection; then the directory is the one on disk. Only while there is none. */
    readonly problem?: ServerProblemDocument;
  };
  readonly peers: readonly PeerLine[];
}

export const peers: Operation = async ({ member, access, daemon }, params, { signal }) => {
  const all = fieldsOf(params, 'peers')['all'] === true;
  if (daemon === undefined) await refresh(access, signal);
  // What the server has not changed since it was connected is as of now.
  const asOf = access.current === undefined ? member.directory.asOf : Date.now();
  const shown = member.directory.peers().filter((peer) => all || isShown(member, peer));
  const problem = problemDocument(access);
  const result: Peers = {
    server: {
      connected: access.current !== undefined,
      asOf: asOf === undefined ? null : iso(asOf),
      ...(problem === null ? {} : { problem }),
    },
    peers: shown.map((peer) => lineOf(member, peer, access.current !== undefined, asOf)),
  };
  return result;
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
  const addresses = peer.record?.addresses ?? [];
  const removed = member.removals.has(peer.id);
  return {
    id: peer.id,
    name: peer.name,
    groups: peer.groups,
    online: peer.state === 'online' && isCurrent && !removed,
    state: removed ? 'removed' : stateOf(peer, isCurrent),
    lastSeen: lastSeen === 0 ? null : iso(lastSeen),
    addresses,
    via: addresses.length > 0 ? 'direct' : null,
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

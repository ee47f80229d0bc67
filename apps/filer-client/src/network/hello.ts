import {
  FilerError,
  requireMachineName,
  verifyMembership,
  VERSIONS,
  type Hello,
  type Membership,
} from '@filer/protocol';
import { leftError, removedError } from './ended-membership.ts';
import type { Member } from './member.ts';

/** What this machine says first on every connection. */
export function helloOf(member: Member, software: string, more: Partial<Hello> = {}): Hello {
  return {
    versions: VERSIONS,
    features: [],
    role: 'command',
    network: member.network,
    removals: member.removals.number,
    purpose: 'session',
    subscribe: false,
    software,
    // Other peers may not have heard of us, nor may a server that replaces the one that admitted us.
    membership: member.membership,
    schedules: [],
    ...more,
  };
}

/** What a connection to a peer is for. */
export type ConnectionPurpose = Pick<Hello, 'purpose' | 'callBack' | 'calledBack'> & {
  readonly features?: readonly string[];
};

/**
 * Checks the membership that another peer shows: it is of our network, its own, valid, and not removed.
 *
 * @returns the newest membership of that peer, which may be newer than the one that it shows: it may not know yet that it
 *   was renamed
 * @throws FilerError `not-a-member`, `removed`, `signature-invalid`, `name-refused`
 */
export function learnMembership(
  member: Member,
  membership: Membership | undefined,
  peerId: string,
): Membership {
  if (membership === undefined || membership.id !== peerId) {
    throw new FilerError('not-a-member', `${peerId} showed no membership of its own`);
  }
  verifyMembership(membership, member.network);
  requireMachineName(membership);
  requireNotRemoved(member, peerId);
  const newest = member.directory.learn(membership);
  requireStaying(member, newest);
  return newest;
}

/** @throws FilerError `not-a-member` */
export function requireStaying({ removals }: Member, membership: Membership): void {
  if (removals.leaves.ends(membership)) throw leftError(membership.id);
}

/** @throws FilerError `removed` */
export function requireNotRemoved(member: Member, id: string): void {
  if (member.removals.has(id)) throw removedError(id);
}

import { leaveEnds, type Leave, type Membership, type PeerRecord } from '@filer/protocol';
import type {
  Admission,
  Changed,
  InviteEntry,
  InviteRefusal,
  Member,
  MembershipRefusal,
} from './registry.ts';

/*
 * The rules of the registry, for every engine: from what a transaction has read to what it writes, or the answer with which nothing
 * is written.
 */

/** What a membership is judged by. */
export interface Standing {
  readonly member: Member | undefined;
  readonly isRemoved: boolean;
  readonly leave: Leave | undefined;
  /** Whether another machine, which was not removed, has the name. */
  readonly isNameTaken: boolean;
  /** The invite that the membership names. */
  readonly invite: InviteEntry | undefined;
}

/** A member as it is to be stored. A new one gets its handle from the store. */
export type MemberToStore = Omit<Member, 'handle'> & { readonly handle: number | undefined };

/** What follows of a change: its answer, where nothing is stored; otherwise what the member becomes at the position of the change. */
export type Ruling<Answer> =
  | { readonly answer: Answer }
  | { readonly usesInvite: boolean; readonly becomes: (seq: number) => MemberToStore };

export function admit(
  standing: Standing,
  { membership, countsUse, now }: Admission,
): Ruling<Changed | InviteRefusal | MembershipRefusal> {
  const { member, invite } = standing;
  if (countsUse && member !== undefined && isRepeated(member, membership))
    return { answer: { member, seq: member.memberSeq } };
  const refused =
    membershipRefusal(standing, membership) ?? (countsUse ? whyInviteRefuses(invite, now) : undefined);
  if (refused !== undefined) return { answer: refused };
  const { handle, lastSeen = now, software = '', record, heartbeat } = member ?? {};
  return {
    // A member that is taken in used it, and where this store does not know, it is of a backup from before.
    usesInvite: countsUse || member?.membership.invite !== membership.invite,
    becomes: (seq) => ({
      ...{ handle, lastSeen, software, record, heartbeat },
      ...{ status: 'member', presence: 'lost' },
      ...withMembership(membership, record, seq),
    }),
  };
}

/** A newer membership of a member. */
export function amend(standing: Standing, membership: Membership): Ruling<MembershipRefusal> {
  const { member } = standing;
  if (member === undefined || member.status === 'left') return { answer: 'older' };
  const refused = membershipRefusal(standing, membership);
  if (refused !== undefined) return { answer: refused };
  return {
    usesInvite: false,
    becomes: (seq) => ({ ...member, ...withMembership(membership, member.record, seq) }),
  };
}

/** A record counts only if it is newer. */
export function publish(member: Member | undefined, record: PeerRecord): Ruling<undefined> {
  if (member === undefined || (member.record?.seq ?? -1) >= record.seq) return { answer: undefined };
  return { usesInvite: false, becomes: (seq) => ({ ...member, record, recordSeq: seq }) };
}

/** @returns `undefined` for a machine that is no member, or whose membership is later than what it signed */
export function afterLeave(
  member: Member | undefined,
  signed: Leave | undefined,
  seq: number,
): MemberToStore | undefined {
  if (member?.status !== 'member') return undefined;
  if (signed !== undefined && !leaveEnds(signed, member.membership)) return undefined;
  return { ...member, status: 'left', presence: 'gone', presenceSeq: seq };
}

export function afterRemoval(member: Member | undefined, seq: number): MemberToStore | undefined {
  return member && { ...member, status: 'removed', presence: 'gone', presenceSeq: seq };
}

/**
 * Whether a machine is a member by this very enrolment: the answer to its first try may have been lost. One whose membership was
 * changed since is not.
 */
export function isRepeated(
  { status, membership }: Member,
  { name, invite }: Pick<Membership, 'name' | 'invite'>,
): boolean {
  const isSame = membership.invite === invite && membership.name === name;
  return status === 'member' && membership.proof.kind === 'admitted' && isSame;
}

/** Why an invite does not admit. */
export function whyInviteRefuses(entry: InviteEntry | undefined, now: number): InviteRefusal | undefined {
  if (entry === undefined) return 'unknown';
  if (entry.revokedAt !== undefined) return 'revoked';
  if (entry.grant.expiresAt <= now) return 'expired';
  return entry.used >= entry.grant.uses ? 'used-up' : undefined;
}

function membershipRefusal(
  { member, isRemoved, leave, isNameTaken }: Standing,
  membership: Membership,
): MembershipRefusal | undefined {
  if (isRemoved) return 'removed';
  if (leave !== undefined && leaveEnds(leave, membership)) return 'older';
  if (membership.serial <= (member?.membership.serial ?? 0)) return 'older';
  return isNameTaken ? 'name-taken' : undefined;
}

/**
 * A new membership takes record and presence along to its position: a reader of the changes in their order never meets a handle
 * before its member.
 */
function withMembership(
  membership: Membership,
  record: PeerRecord | undefined,
  seq: number,
): Pick<Member, 'membership' | 'memberSeq' | 'recordSeq' | 'presenceSeq'> {
  return { membership, memberSeq: seq, recordSeq: record === undefined ? 0 : seq, presenceSeq: seq };
}

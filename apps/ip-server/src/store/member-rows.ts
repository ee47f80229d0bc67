import {
  parseGrant,
  parseLeave,
  parseMembership,
  parsePeerRecord,
  parseRemoval,
  type Heartbeat,
  type InviteGrant,
  type Leave,
  type PresenceState,
  type Removal,
} from '@filer/protocol';
import { integerIn, storedJson, textIn, unreadable, wordIn, type Row } from '@filer/program';
import type { MemberToStore, Standing } from './admission.ts';
import type { HeartbeatAt, InviteEntry, Member, MemberStatus } from './registry.ts';

/*
 * From rows to what they mean, and back. The columns are ours and typed (STRICT), but a file on a disk can be anybody's:
 * what does not read is a damaged store, never a wrong value inside.
 */

const STATUSES: readonly MemberStatus[] = ['member', 'left', 'removed'];
const STATES: readonly PresenceState[] = ['lost', 'online', 'stopped', 'gone'];

export function memberOf(row: Row): Member {
  return {
    handle: integerIn(row, 'handle'),
    status: wordIn(row, 'status', STATUSES),
    membership: storedJson(textIn(row, 'membership'), 'membership', parseMembership),
    memberSeq: integerIn(row, 'member_seq'),
    record: row['record'] === null ? undefined : storedJson(textIn(row, 'record'), 'record', parsePeerRecord),
    recordSeq: integerIn(row, 'record_seq'),
    presence: wordIn(row, 'presence', STATES),
    ...(typeof row['server'] === 'string' ? { server: row['server'] } : {}),
    lastSeen: integerIn(row, 'last_seen'),
    presenceSeq: integerIn(row, 'presence_seq'),
    software: textIn(row, 'software'),
    heartbeat: heartbeatOf(row),
  };
}

/** For the columns that `REGISTRY_STATEMENTS` stores. */
export function valuesOf({
  membership,
  status,
  record,
  ...member
}: MemberToStore): (string | number | null)[] {
  const { id, name, invite } = membership;
  const { memberSeq, recordSeq, presence, lastSeen, presenceSeq, software } = member;
  const documents = [JSON.stringify(membership), record === undefined ? null : JSON.stringify(record)];
  return [
    id,
    name,
    invite,
    status,
    ...documents,
    memberSeq,
    recordSeq,
    presence,
    lastSeen,
    presenceSeq,
    software,
  ];
}

/** @param row of `REGISTRY_STATEMENTS.standing` */
export function standingOf(row: Row): Standing {
  return {
    member: row['handle'] === null ? undefined : memberOf(row),
    isRemoved: integerIn(row, 'removals') > 0,
    leave: row['document'] === null ? undefined : leaveOf(row),
    isNameTaken: integerIn(row, 'holders') > 0,
    invite: row['grant_json'] === null ? undefined : inviteOf(row),
  };
}

export function removalOf(row: Row): Removal {
  return storedJson(textIn(row, 'removal'), 'removal', parseRemoval);
}

export function leaveOf(row: Row): Leave {
  return storedJson(textIn(row, 'document'), 'leave', parseLeave);
}

function heartbeatOf(row: Row): HeartbeatAt | undefined {
  if (row['heartbeat'] === null || row['heartbeat_at'] === null) return undefined;
  return {
    at: integerIn(row, 'heartbeat_at'),
    heartbeat: storedJson(textIn(row, 'heartbeat'), 'heartbeat', parseStoredHeartbeat),
  };
}

export function inviteOf(row: Row): InviteEntry {
  return {
    grant: storedJson(textIn(row, 'grant_json'), 'grant_json', parseGrant),
    used: integerIn(row, 'used'),
    revokedAt: row['revoked_at'] === null ? undefined : integerIn(row, 'revoked_at'),
  };
}

/** For `REGISTRY_STATEMENTS.addInvite`. */
export function valuesOfInvite(grant: InviteGrant): (string | number | null)[] {
  return [grant.invite, JSON.stringify(grant), grant.createdAt, grant.expiresAt, grant.uses];
}

function parseStoredHeartbeat(value: unknown): Heartbeat {
  if (typeof value !== 'object' || value === null) throw unreadable('heartbeat');
  const fields: Row = { ...value };
  return {
    uptimeMs: integerIn(fields, 'uptimeMs'),
    loadHundredths: integerIn(fields, 'loadHundredths'),
    memoryTotalBytes: integerIn(fields, 'memoryTotalBytes'),
    memoryFreeBytes: integerIn(fields, 'memoryFreeBytes'),
    inboxFreeBytes: integerIn(fields, 'inboxFreeBytes'),
    transfers: integerIn(fields, 'transfers'),
    spooled: integerIn(fields, 'spooled'),
  };
}

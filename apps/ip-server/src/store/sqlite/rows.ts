import {
  FilerError,
  parseGrant,
  parseMembership,
  parsePeerRecord,
  type Heartbeat,
  type PresenceState,
} from '@filer/protocol';
import type { Row } from './database.ts';
import type { HeartbeatAt, InviteEntry, Member, MemberStatus } from '../registry.ts';

/*
 * From rows to what they mean. The columns are ours and typed (STRICT), but a file on a disk can be anybody's:
 * what does not read is a damaged store, never a wrong value inside.
 */

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw damaged(column);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw damaged(column);
  return value;
}

export function bytes(row: Row, column: string): Buffer {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw damaged(column);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** One of the words that a column may hold. */
export function oneOf<T extends string>(row: Row, column: string, words: readonly T[]): T {
  const word = words.find((each) => each === row[column]);
  if (word === undefined) throw damaged(column);
  return word;
}

export function document<T>(json: string, column: string, parse: (value: unknown) => T): T {
  try {
    return parse(JSON.parse(json));
  } catch (error) {
    throw damaged(column, error);
  }
}

const STATUSES: readonly MemberStatus[] = ['member', 'left', 'removed'];
const STATES: readonly PresenceState[] = ['lost', 'online', 'stopped', 'gone'];

export function memberOf(row: Row): Member {
  return {
    handle: integer(row, 'handle'),
    status: oneOf(row, 'status', STATUSES),
    membership: document(text(row, 'membership'), 'membership', parseMembership),
    memberSeq: integer(row, 'member_seq'),
    record: row['record'] === null ? undefined : document(text(row, 'record'), 'record', parsePeerRecord),
    recordSeq: integer(row, 'record_seq'),
    presence: oneOf(row, 'presence', STATES),
    lastSeen: integer(row, 'last_seen'),
    presenceSeq: integer(row, 'presence_seq'),
    software: text(row, 'software'),
    heartbeat: heartbeatOf(row),
  };
}

function heartbeatOf(row: Row): HeartbeatAt | undefined {
  if (row['heartbeat'] === null || row['heartbeat_at'] === null) return undefined;
  return {
    at: integer(row, 'heartbeat_at'),
    heartbeat: document(text(row, 'heartbeat'), 'heartbeat', parseStoredHeartbeat),
  };
}

export function inviteOf(row: Row): InviteEntry {
  return {
    grant: document(text(row, 'grant_json'), 'grant_json', parseGrant),
    used: integer(row, 'used'),
    revokedAt: row['revoked_at'] === null ? undefined : integer(row, 'revoked_at'),
  };
}

function parseStoredHeartbeat(value: unknown): Heartbeat {
  if (typeof value !== 'object' || value === null) throw damaged('heartbeat');
  const fields: Row = { ...value };
  return {
    uptimeMs: integer(fields, 'uptimeMs'),
    loadHundredths: integer(fields, 'loadHundredths'),
    memoryTotalBytes: integer(fields, 'memoryTotalBytes'),
    memoryFreeBytes: integer(fields, 'memoryFreeBytes'),
    inboxFreeBytes: integer(fields, 'inboxFreeBytes'),
    transfers: integer(fields, 'transfers'),
    spooled: integer(fields, 'spooled'),
  };
}

function damaged(column: string, cause?: unknown): FilerError {
  return new FilerError(
    'store-damaged',
    `the server's database holds a ${column} that cannot be read: restore the home from a backup`,
    { cause },
  );
}

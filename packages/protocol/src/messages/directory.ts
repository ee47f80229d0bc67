/*
 * The directory, from the server to everyone, as what changed between two positions of one epoch.
 *
 *   directory      server → client   epoch, from, seq, time, [partial]; content: entries, the
 *                                   same bytes for all
 *   directory-get  client → server   id, epoch, seq: answered by one `directory` page of what came later
 *   record         client → server   id; content JSON: its own signed addresses; answered `ok` with
 *                                   seq: of the record that the server holds now; content JSON: that
 *                                   record where it is another one
 *   removals-get   either            id, after: answered `removals`
 *   removals       either            content JSON: a list of signed removals
 *
 * The content of `directory` is entries one after the other:
 *
 *   offset  size  field
 *   0       1     kind: 1 member, 2 record, 3 presence
 *   1       4     handle, unsigned, big-endian: the server's short name for the peer within the epoch
 *   member and record:
 *   5       4     N, unsigned, big-endian
 *   9       N     JSON: the membership, or the signed record
 *   presence:
 *   5       1     state: 0 lost, 1 online, 2 stopped, 3 gone (removed or left)
 *   6       6     last seen, ms since the epoch, unsigned, big-endian
 */
import { FilerError } from '../errors.ts';
import { requireInteger, requireText, type Message } from '../header.ts';
import {
  MAX_DIRECTORY_PAGE_BYTES,
  MAX_DOCUMENT_BYTES,
  MAX_RECORD_BYTES,
  MAX_REMOVALS_BYTES,
} from '../limits.ts';
import { parseMembership, type Membership } from '../trust/membership.ts';
import { parsePeerRecord, type PeerRecord } from '../trust/peer-record.ts';
import { parseRemoval, type Removal } from '../trust/removals.ts';
import { formatJson, listOf, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';

/** `online`; `stopped` said goodbye; `lost` did not; `gone` was removed or has left. */
export type PresenceState = 'lost' | 'online' | 'stopped' | 'gone';

const STATES: readonly PresenceState[] = ['lost', 'online', 'stopped', 'gone'];
const KIND_MEMBER = 1;
const KIND_RECORD = 2;
const KIND_PRESENCE = 3;
const DOCUMENT_HEAD_BYTES = 9;
const PRESENCE_BYTES = 12;

export type DirectoryEntry =
  | { readonly kind: 'member'; readonly handle: number; readonly membership: Membership }
  | { readonly kind: 'record'; readonly handle: number; readonly record: PeerRecord }
  | {
      readonly kind: 'presence';
      readonly handle: number;
      readonly state: PresenceState;
      /** ms since the epoch, by the server's clock */
      readonly lastSeen: number;
    };

/** One step of the directory: what changed after `from`, up to and with `seq`. */
export interface DirectoryPage {
  readonly epoch: string;
  readonly from: number;
  readonly seq: number;
  /** The server's clock, in ms since the epoch. */
  readonly time: number;
  /** Whether more had changed when this page was made: ask again from `seq`. */
  readonly more: boolean;
  readonly entries: readonly DirectoryEntry[];
}

/** The bytes of one entry in a page. */
export function encodeEntry(entry: DirectoryEntry): Buffer {
  if (entry.kind === 'presence') {
    const bytes = Buffer.alloc(PRESENCE_BYTES);
    bytes.writeUInt8(KIND_PRESENCE, 0);
    bytes.writeUInt32BE(entry.handle, 1);
    bytes.writeUInt8(STATES.indexOf(entry.state), 5);
    bytes.writeUIntBE(entry.lastSeen, 6, 6);
    return bytes;
  }
  const json = formatJson(entry.kind === 'member' ? entry.membership : entry.record);
  const head = Buffer.alloc(DOCUMENT_HEAD_BYTES);
  head.writeUInt8(entry.kind === 'member' ? KIND_MEMBER : KIND_RECORD, 0);
  head.writeUInt32BE(entry.handle, 1);
  head.writeUInt32BE(json.length, 5);
  return Buffer.concat([head, json]);
}

/** @throws FilerError `message-malformed`; signatures are not checked here */
export function decodeEntries(content: Buffer): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  let at = 0;
  const need = (bytes: number): void => {
    if (content.length - at < bytes)
      throw new FilerError('message-malformed', 'a directory entry is cut off');
  };
  while (at < content.length) {
    need(DOCUMENT_HEAD_BYTES); // the shorter of the two kinds
    const kind = content.readUInt8(at);
    const handle = content.readUInt32BE(at + 1);
    if (kind === KIND_PRESENCE) {
      need(PRESENCE_BYTES);
      const state = STATES[content.readUInt8(at + 5)];
      if (state === undefined)
        throw new FilerError('message-malformed', 'a presence entry has an unknown state');
      entries.push({ kind: 'presence', handle, state, lastSeen: content.readUIntBE(at + 6, 6) });
      at += PRESENCE_BYTES;
    } else if (kind === KIND_MEMBER || kind === KIND_RECORD) {
      const bytes = content.readUInt32BE(at + 5);
      at += DOCUMENT_HEAD_BYTES;
      need(bytes);
      const document = parseJson(content.subarray(at, at + bytes), 'a directory entry', MAX_DOCUMENT_BYTES);
      entries.push(
        kind === KIND_MEMBER
          ? { kind: 'member', handle, membership: parseMembership(document) }
          : { kind: 'record', handle, record: parsePeerRecord(document) },
      );
      at += bytes;
    } else {
      throw new FilerError('message-malformed', `a directory entry has the unknown kind ${kind}`);
    }
  }
  return entries;
}

/** @param entries encoded, together at most `MAX_DIRECTORY_PAGE_BYTES` */
export function formatDirectory(page: Omit<DirectoryPage, 'entries'>, entries: readonly Buffer[]): Message {
  const header: Record<string, string> = {
    type: 'directory',
    epoch: page.epoch,
    from: String(page.from),
    seq: String(page.seq),
    time: String(page.time),
  };
  if (page.more) header['partial'] = '1';
  return { header, content: Buffer.concat(entries) };
}

/** @throws FilerError `message-malformed` */
export function parseDirectory({ header, content }: Message): DirectoryPage {
  expectType(header, 'directory');
  if (content.length > 2 * MAX_DIRECTORY_PAGE_BYTES) {
    throw new FilerError('message-malformed', `a directory page of ${content.length} bytes is too large`);
  }
  const from = requireInteger(header, 'from');
  const seq = requireInteger(header, 'seq');
  if (from > seq) throw new FilerError('message-malformed', 'a directory page goes backwards');
  return {
    epoch: textOf(requireText(header, 'epoch'), 'epoch', { max: 64 }),
    from,
    seq,
    time: requireInteger(header, 'time'),
    more: header['partial'] === '1',
    entries: decodeEntries(content),
  };
}

export interface DirectoryGet {
  readonly epoch: string;
  readonly seq: number;
}

export function formatDirectoryGet({ epoch, seq }: DirectoryGet): Message {
  return { header: { type: 'directory-get', epoch, seq: String(seq) }, content: Buffer.alloc(0) };
}

/** @throws FilerError `message-malformed` */
export function parseDirectoryGet({ header }: Message): DirectoryGet {
  return {
    epoch: textOf(requireText(header, 'epoch'), 'epoch', { max: 64 }),
    seq: requireInteger(header, 'seq'),
  };
}

export function formatRecord(record: PeerRecord): Message {
  return { header: { type: 'record' }, content: formatJson(record) };
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseRecord({ content }: Message): PeerRecord {
  return parsePeerRecord(parseJson(content, 'record', MAX_RECORD_BYTES));
}

/**
 * The answer to `record`.
 *
 * @param held the record that the server holds now
 * @param sent the record that it was sent
 */
export function formatRecordHeld(held: PeerRecord, sent: PeerRecord): Message {
  const header = { type: 'ok', seq: String(held.seq) };
  return { header, content: isSameRecord(held, sent) ? Buffer.alloc(0) : formatJson(held) };
}

/**
 * The record that the server holds in the place of the one that it was sent, with its signature: a number alone proves
 * nothing.
 *
 * @returns undefined when the server holds the one that it was sent
 * @throws FilerError `message-malformed`; the signature is not checked here
 */
export function parseRecordHeld({ header, content }: Message): PeerRecord | undefined {
  expectType(header, 'ok');
  return content.length === 0 ? undefined : parseRecord({ header, content });
}

function isSameRecord(one: PeerRecord, other: PeerRecord): boolean {
  return one.seq === other.seq && one.signature === other.signature;
}

/** Removals in one message: a page, so that no message grows with the network's age. */
export const MAX_REMOVALS_PER_MESSAGE = 500;

export function formatRemovals(removals: readonly Removal[]): Message {
  return { header: { type: 'removals' }, content: formatJson(removals.slice(0, MAX_REMOVALS_PER_MESSAGE)) };
}

/** @throws FilerError `message-malformed`; signatures are not checked here */
export function parseRemovals({ header, content }: Message): Removal[] {
  expectType(header, 'removals');
  return listOf(
    parseJson(content, 'removals', MAX_REMOVALS_BYTES),
    'removals',
    MAX_REMOVALS_PER_MESSAGE,
    (value) => parseRemoval(value),
  );
}

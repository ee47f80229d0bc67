/*
 * The directory, from the server to everyone, as what changed between two positions of one epoch.
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
import type { Message } from '../header.ts';
import {
  MAX_DIRECTORY_PAGE_BYTES,
  MAX_DOCUMENT_BYTES,
  MAX_RECORD_BYTES,
  MAX_REMOVALS_BYTES,
  MAX_REMOVALS_PER_MESSAGE,
} from '../limits.ts';
import { parseMembership, type Membership } from '../trust/membership.ts';
import { parsePeerRecord, type PeerRecord } from '../trust/peer-record.ts';
import { parseRemoval, type Removal } from '../trust/removals.ts';
import { json } from './content.ts';
import { expectType, message, type Parsed } from './declaration.ts';
import { integer, text, type Field } from './field.ts';
import { formatJson, listOf, parseJson } from './json.ts';
import { okMessage } from './ok.ts';
import {
  accepterToDialler,
  clientToServer,
  daemonToServer,
  diallerToAccepter,
  peerToPeer,
  serverToClient,
} from './route.ts';

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

const epoch = text({ max: 64 });
const more: Field<boolean, 'default'> = {
  presence: 'default',
  rows: () => [{ key: 'partial', type: 'flag', presence: 'not set', limit: '`1`' }],
  read: ({ partial }) => partial === '1',
  write: (value, _, to) => {
    if (value) to['partial'] = '1';
  },
};

/** One step of the directory: what changed after `from`, up to and with `seq`; the same bytes for all. */
export const directoryMessage = message({
  type: 'directory',
  routes: [serverToClient],
  header: {
    epoch,
    from: integer(),
    seq: integer(),
    /** The server's clock, in ms since the epoch. */
    time: integer(),
    /** Whether more had changed when this page was made: ask again from `seq`. */
    more,
  },
  content: {
    shape: 'entries',
    limit: `${2 * MAX_DIRECTORY_PAGE_BYTES} bytes`,
    read: (content) => {
      if (content.length <= 2 * MAX_DIRECTORY_PAGE_BYTES) return { entries: decodeEntries(content) };
      throw new FilerError('message-malformed', `a directory page of ${content.length} bytes is too large`);
    },
    /** Encoded, together at most `MAX_DIRECTORY_PAGE_BYTES`. */
    write: ({ entries }: { readonly entries: Buffer }) => entries,
  },
  check: ({ from, seq }) => {
    if (from > seq) throw new FilerError('message-malformed', 'a directory page goes backwards');
  },
});
export type DirectoryPage = Parsed<typeof directoryMessage>;

/** What came after this position? */
export const directoryGetMessage = message({
  type: 'directory-get',
  routes: [clientToServer],
  header: { epoch, seq: integer() },
  answers: [directoryMessage],
});

/** A machine's own signed addresses. The signature is not checked here. */
export const recordMessage = message({
  type: 'record',
  routes: [daemonToServer],
  content: json<PeerRecord>({
    shape: 'a signed record',
    maxBytes: MAX_RECORD_BYTES,
    read: parsePeerRecord,
    write: (record) => record,
  }),
  answers: [okMessage],
});

/** @param entries encoded, one after the other: at most `MAX_DIRECTORY_PAGE_BYTES`, which many messages can share */
export function formatDirectory(page: Omit<DirectoryPage, 'entries'>, entries: Buffer): Message {
  return directoryMessage.format({ ...page, entries });
}

export const { parse: parseDirectory } = directoryMessage;
export const { parse: parseDirectoryGet, format: formatDirectoryGet } = directoryGetMessage;
export const { parse: parseRecord, format: formatRecord } = recordMessage;

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
  return content.length === 0 ? undefined : parsePeerRecord(parseJson(content, 'record', MAX_RECORD_BYTES));
}

function isSameRecord(one: PeerRecord, other: PeerRecord): boolean {
  return one.seq === other.seq && one.signature === other.signature;
}

/** The signatures are not checked here. */
export const removalsMessage = message({
  type: 'removals',
  routes: [diallerToAccepter, accepterToDialler, clientToServer, serverToClient, peerToPeer],
  content: json({
    shape: '[a signed removal]',
    maxBytes: MAX_REMOVALS_BYTES,
    read: (value, what) => ({
      removals: listOf(value, what, MAX_REMOVALS_PER_MESSAGE, (each) => parseRemoval(each)),
    }),
    write: ({ removals }: { readonly removals: readonly Removal[] }) =>
      removals.slice(0, MAX_REMOVALS_PER_MESSAGE),
  }),
});

/** Which removals are there after this number? */
export const removalsGetMessage = message({
  type: 'removals-get',
  routes: [accepterToDialler, clientToServer, serverToClient, peerToPeer],
  header: { after: integer() },
  answers: [removalsMessage],
});

export function formatRemovals(removals: readonly Removal[]): Message {
  return removalsMessage.format({ removals });
}

/** @throws FilerError `message-malformed`; signatures are not checked here */
export function parseRemovals(received: Message): Removal[] {
  return removalsMessage.parse(received).removals;
}

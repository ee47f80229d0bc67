import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_REMOVALS_PER_MESSAGE,
  decodeEntries,
  encodeEntry,
  formatDirectory,
  formatDirectoryGet,
  formatRecord,
  formatRecordHeld,
  formatRemovals,
  parseDirectory,
  parseDirectoryGet,
  parseRecord,
  parseRecordHeld,
  parseRemovals,
  type DirectoryEntry,
  type PresenceState,
} from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { NOW, membership, record, removal, withContent, withHeader } from './documents.ts';

const PAGE = { epoch: 'e1', from: 3, seq: 9, time: NOW, more: true };
const presence = (state: PresenceState, lastSeen = NOW): DirectoryEntry => ({
  kind: 'presence',
  handle: 0xffff_ffff,
  state,
  lastSeen,
});
const ENTRIES: DirectoryEntry[] = [
  { kind: 'member', handle: 1, membership },
  { kind: 'record', handle: 1, record },
  ...(['lost', 'online', 'stopped', 'gone'] as const).map((state) => presence(state)),
  presence('online', 2 ** 48 - 1),
  presence('online', 0),
];

test('a page comes back with its entries, in order', () => {
  for (const more of [true, false]) {
    const message = formatDirectory({ ...PAGE, more }, Buffer.concat(ENTRIES.map(encodeEntry)));
    expect(parseDirectory(message)).toEqual({ ...PAGE, more, entries: ENTRIES });
  }
  expect(parseDirectory(formatDirectory(PAGE, Buffer.alloc(0))).entries).toEqual([]);
});

test('a presence entry takes 12 bytes, as it is drawn', () => {
  expect(encodeEntry(presence('stopped', 0x0102_0304_0506)).toString('hex')).toBe('03ffffffff02010203040506');
});

test('entries that are cut off anywhere are refused, and never more', () => {
  const bytes = Buffer.concat(ENTRIES.map(encodeEntry));
  const ends = new Set([0]);
  let end = 0;
  for (const entry of ENTRIES) ends.add((end += encodeEntry(entry).length));
  for (let at = 0; at < bytes.length; at++) {
    expect(codeOf(() => decodeEntries(bytes.subarray(0, at)))).toBe(
      ends.has(at) ? 'none' : 'message-malformed',
    );
  }
});

test('any bytes give entries or `message-malformed`', () => {
  const head = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(head, { maxLength: 4 }), (parts) => {
      const bytes = Buffer.concat(parts.flatMap(([kind, rest]) => [Buffer.from([kind]), rest]));
      expect(['none', 'message-malformed']).toContain(codeOf(() => decodeEntries(bytes)));
    }),
    { numRuns: 1_000 },
  );
});

describe('a hostile entry is refused:', () => {
  const document = (kind: number, bytes: number, content: string): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(bytes, 5);
    return Buffer.concat([head, Buffer.from(content)]);
  };
  test.each([
    ['kind 0', Buffer.alloc(12)],
    ['kind 4', Buffer.alloc(12, 4)],
    ['state 4', Buffer.from('030000000104000000000000', 'hex')],
    ['a length of -1', document(1, 0xffff_ffff, '{}')],
    ['a length of 2^31', document(1, 2 ** 31, '{}')],
    ['a length one too large', document(1, 3, '{}')],
    ['a document of no bytes', document(1, 0, '')],
    ['a record where a member should be', document(1, JSON.stringify(record).length, JSON.stringify(record))],
    [
      'a member where a record should be',
      document(2, JSON.stringify(membership).length, JSON.stringify(membership)),
    ],
  ])('%s', (_, bytes) => {
    expect(codeOf(() => decodeEntries(bytes))).toBe('message-malformed');
  });

  test('a record of 9 addresses', () => {
    const addresses = Array.from({ length: 9 }, (_, index) => `192.0.2.${index + 1}:80`);
    expect(codeOf(() => parseRecord(withContent(formatRecord(record), { ...record, addresses })))).toBe(
      'message-malformed',
    );
  });
});

test.each([
  [{ epoch: undefined }, 'message-malformed'],
  [{ epoch: 'e'.repeat(65) }, 'message-malformed'],
  [{ from: '-1' }, 'message-malformed'],
  [{ from: '10' }, 'message-malformed'],
  [{ seq: undefined }, 'message-malformed'],
  [{ time: 'now' }, 'message-malformed'],
  [{ type: 'directory-get' }, 'unexpected-message'],
])('a page with %j is refused', (change, code) => {
  expect(codeOf(() => parseDirectory(withHeader(formatDirectory(PAGE, Buffer.alloc(0)), change)))).toBe(code);
});

test('a page that is far too large is refused before its entries are read', () => {
  const message = formatDirectory(PAGE, Buffer.alloc(512 * 1024 + 1, 3));
  expect(() => parseDirectory(message)).toThrow(/524289/);
});

test('a position that is asked for comes back', () => {
  const get = { epoch: 'e1', seq: 0 };
  expect(parseDirectoryGet(formatDirectoryGet(get))).toEqual(get);
  expect(codeOf(() => parseDirectoryGet(withHeader(formatDirectoryGet(get), { seq: '0x10' })))).toBe(
    'message-malformed',
  );
});

test('records and removals come back', () => {
  expect(parseRecord(formatRecord(record))).toEqual(record);
  expect(parseRemovals(formatRemovals([removal]))).toEqual([removal]);
  expect(parseRemovals(formatRemovals([]))).toEqual([]);
});

test('the answer to a record holds the seq, and the record that is held if it is another one', () => {
  const newer = { ...record, seq: record.seq + 7 };

  expect(formatRecordHeld(record, record).header).toEqual({ type: 'ok', seq: String(record.seq) });
  expect(parseRecordHeld(formatRecordHeld(record, record))).toBeUndefined();
  expect(formatRecordHeld(newer, record).header['seq']).toBe(String(newer.seq));
  expect(parseRecordHeld(formatRecordHeld(newer, record))).toEqual(newer);
  const bad = withContent(formatRecordHeld(newer, record), { seq: 9 });
  expect(codeOf(() => parseRecordHeld(bad))).toBe('message-malformed');
});

test('removals travel in pages, and a larger one is refused', () => {
  const many = Array.from({ length: MAX_REMOVALS_PER_MESSAGE + 1 }, () => removal);
  expect(parseRemovals(formatRemovals(many))).toHaveLength(MAX_REMOVALS_PER_MESSAGE);
  expect(codeOf(() => parseRemovals(withContent(formatRemovals([]), many)))).toBe('message-malformed');
  expect(codeOf(() => parseRemovals(withContent(formatRemovals([]), [{ ...removal, number: 0 }])))).toBe(
    'message-malformed',
  );
  expect(codeOf(() => parseRemovals(withContent(formatRemovals([]), { 0: removal })))).toBe(
    'message-malformed',
  );
});

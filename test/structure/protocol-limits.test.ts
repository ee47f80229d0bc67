import { readFileSync } from 'node:fs';
import * as limits from '@filer/protocol';
import { expect, test } from 'vitest';

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const [, after = ''] = page.split('\n## 17. Limits\n');
const rows = new Map(
  [...after.matchAll(/^\| (.+?) +\| (.+?) +\|$/gm)]
    .map(([, what = '', value = '']) => [what, value] as const)
    .filter(([what]) => what !== 'what' && !what.startsWith('-')),
);

const KIB = 1024;
const size = (bytes: number): string =>
  bytes >= KIB ** 3
    ? `${bytes / KIB ** 3} GiB`
    : bytes >= KIB ** 2
      ? `${bytes / KIB ** 2} MiB`
      : `${Math.floor(bytes / KIB)} KiB`;
const seconds = (ms: number): string => `${ms / 1000} s`;
const count = (number: number): string => number.toLocaleString('en');

/** What each row has to name, in this order. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'header; its keys; content of a frame': [
    size(limits.MAX_HEADER_BYTES),
    count(limits.MAX_HEADER_KEYS),
    size(limits.MAX_CONTENT_BYTES),
  ],
  'content of `hello`': [size(limits.MAX_HELLO_BYTES)],
  'content of a message in a session; on a connection for a transfer': [
    size(limits.MAX_SESSION_CONTENT_BYTES),
    size(limits.MAX_BATCH_BYTES),
  ],
  'unfinished messages of one machine, on all its connections': [size(limits.MAX_PARTIAL_BYTES_PER_MACHINE)],
  'accepted to welcomed': [seconds(limits.AUTHENTICATION_MS)],
  'silence before a ping; before the connection is given up': [
    seconds(limits.PING_AFTER_MS),
    seconds(limits.GIVE_UP_AFTER_MS),
  ],
  'what may wait for a receiver that does not read': [
    size(limits.MAX_QUEUED_BROADCAST_BYTES),
    size(limits.MAX_QUEUED_BYTES),
  ],
  'an answer': [seconds(limits.REQUEST_TIMEOUT_MS)],
  'report; text': [size(limits.MAX_REPORT_BYTES), size(limits.MAX_TEXT_BYTES)],
  'attachments of one machine, 1 MiB counted for each connection': [
    size(limits.ATTACHED_BYTES_AT_ONCE),
    size(limits.ATTACHED_BYTES_PER_SECOND),
  ],
  'reports of one machine, 1 KiB counted for each beside its content': [
    size(limits.REPORT_BYTES_AT_ONCE),
    size(limits.REPORT_BYTES_PER_SECOND),
  ],
  'title of a report; note of an offer': [count(limits.MAX_TITLE_CHARS), count(limits.MAX_NOTE_CHARS)],
  'schedules of a machine; attachments of a report; one of them': [
    count(limits.MAX_SCHEDULES),
    count(limits.MAX_ATTACHMENTS),
    size(limits.MAX_ATTACHMENT_BYTES),
  ],
  chunk: [size(limits.MAX_CHUNK_BYTES)],
  'page of the directory; of removals': [
    size(limits.MAX_DIRECTORY_PAGE_BYTES),
    count(limits.MAX_REMOVALS_PER_MESSAGE),
  ],
  'page of a listing; a path that is asked for': [
    size(limits.MAX_LISTING_BYTES),
    size(limits.MAX_ASKED_BYTES),
  ],
  'addresses in a record: of one scheme, in all; one of them': [
    count(limits.MAX_ADDRESSES),
    count(limits.MAX_ADDRESSES_IN_ALL),
    count(limits.MAX_ADDRESS_LENGTH),
  ],
  'JSON of enrolment; of a record; of a text': [
    size(limits.MAX_ENROL_BYTES),
    size(limits.MAX_RECORD_BYTES),
    size(limits.MAX_TEXT_DOCUMENT_BYTES),
  ],
  'one document of the directory; a message of removals': [
    size(limits.MAX_DOCUMENT_BYTES),
    size(limits.MAX_REMOVALS_BYTES),
  ],
  'an offer; a batch of entries, answers or receipts': [
    size(limits.MAX_OFFER_BYTES),
    size(limits.MAX_BATCH_BYTES),
  ],
  'further connections of a transfer; over a relay; punched; with one peer in all': [
    count(limits.MAX_PARALLEL),
    count(limits.MAX_PARALLEL_RELAYED),
    count(limits.MAX_PARALLEL_PUNCHED),
    count(limits.MAX_PARALLEL_PER_PEER),
  ],
  'such connections that are opened for one transfer, those that were lost included': [
    count(limits.MAX_PARALLEL_OPENED),
  ],
  'a segment; segments that are announced and not taken': [
    size(limits.MAX_SEGMENT_BYTES),
    size(2 * limits.MAX_AHEAD_BYTES),
  ],
  'connections of one member at a server; at another member': [
    count(limits.MAX_CONNECTIONS_PER_MEMBER),
    count(limits.MAX_CONNECTIONS_PER_PEER),
  ],
  'transfers of one member at once; that wait for their turn; of all at once': [
    count(limits.MAX_TRANSFERS_PER_PEER),
    '64',
    count(limits.MAX_TRANSFERS),
  ],
  'recipients that one is named to pass on to, and holders named to one, in a transfer': [
    count(limits.MAX_HOLDERS),
    count(limits.MAX_HOLDERS),
  ],
  'blocks that one awaits of others; in bytes': [
    count(limits.MAX_AWAITED_BLOCKS),
    size(limits.MAX_AHEAD_BYTES + limits.MAX_CHUNK_BYTES),
  ],
  'texts of one sender, 512 bytes counted for each beside its text': [size(limits.TEXT_BYTES_AT_ONCE)],
  '`reach` of one machine; how long it is tried; of all at once': [
    count(limits.DIAL_BACKS_AT_ONCE),
    seconds(limits.DIAL_BACK_MS),
    count(limits.MAX_DIAL_BACKS),
  ],
  'a measurement in each direction; one piece': [
    size(limits.MEASURE_BYTES),
    seconds(limits.MEASURE_MS),
    size(limits.MAX_MEASURE_PIECE_BYTES),
  ],
  'broadcasts of one member': [count(limits.MAX_BROADCASTS_PER_MINUTE)],
  'asking for a way to another machine': [count(limits.CONTACT_AT_ONCE)],
  'a token for a relayed or punched connection': [seconds(limits.RELAY_TOKEN_MS)],
  'relayed pairs of one machine that asked; in all': [
    count(limits.MAX_RELAYED_PER_PEER),
    count(limits.MAX_RELAYED),
  ],
  'silence on a relayed pair before it is ended': [seconds(limits.RELAY_IDLE_MS)],
  'relayed for one machine': [
    size(limits.RELAY_BYTES_AT_ONCE),
    size(limits.RELAY_BYTES_PER_SECOND),
    size(limits.RELAY_BYTES_PER_DAY),
  ],
};

test('each row of the limits of docs/protocol.md names the values of the sources, and none is unknown here', () => {
  expect([...rows.keys()].toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
});

test.each(Object.entries(EXPECTED))('%s', (what, values) => {
  // Numbers with their units, in their order.
  const named =
    (rows.get(what) ?? '').replace('UTF-16', '').match(/[0-9]+(?:,[0-9]{3})*(?: (?:KiB|MiB|GiB|s)\b)?/g) ??
    [];
  expect(named).toEqual(values);
});

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  FrameDecoder,
  encodeFrame,
  errorOf,
  parseAttach,
  parseBasisAnswer,
  parseBasisRequest,
  parseBroadcasted,
  parseChunk,
  parseCollect,
  parseDeliver,
  parseDirectory,
  parseDirectoryGet,
  parseDraft,
  parseEnd,
  parseEnrol,
  parseEnrolSign,
  parseEnrolled,
  parseEntries,
  parseEntriesAnswer,
  parseEntryFailure,
  parseFetch,
  parseHeld,
  parseHolding,
  parseFile,
  parseGot,
  parseGrow,
  parseHeartbeat,
  parseHello,
  parseList,
  parseListing,
  parseOffer,
  parseReceipts,
  parseRecord,
  parseRemovals,
  parseReport,
  parseReportDue,
  parseSchedules,
  parseSame,
  parseSkip,
  parseSmall,
  parseSpool,
  parseStored,
  parseTextMessage,
  parseUnsent,
  parseWelcome,
  requireInteger,
  requireText,
  signedBytes,
  verifyGrant,
  verifyMembership,
  verifyPeerRecord,
  verifyRemoval,
  verifyServerRecord,
  verifyText,
  type Message,
} from '@filer/protocol';
import { verifyReceipts } from '@filer/transfer';

interface Example {
  readonly type: string;
  /** In words, as the page shows them. */
  readonly header: Record<string, string>;
  readonly content: string | undefined;
  readonly bytes: Buffer;
}

const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```frame (\S+)\n([^]*?)^```$/gm)].map(([, type = '', block = '']) =>
  exampleOf(type, block),
);

function exampleOf(type: string, block: string): Example {
  const lines = block.trimEnd().split('\n');
  const after = (word: string): string | undefined =>
    lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  const hex = lines.filter((line) => /^[0-9a-f ]+$/.test(line)).join('');
  return {
    type,
    header: JSON.parse(after('header') ?? '{}'),
    content: after('content'),
    bytes: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
  };
}

function decode(bytes: Buffer): Message[] {
  const messages: Message[] = [];
  const decoder = new FrameDecoder();
  decoder.push(bytes, (message) => messages.push(message));
  return messages;
}

const onlyType = (type: string) => (message: Message) => expect(message.header['type']).toBe(type);

let network = '';

/** The family's parse function for each message, and the check of its signatures where it carries some. */
const PARSERS: Readonly<Record<string, (message: Message) => unknown>> = {
  ping: onlyType('ping'),
  pong: onlyType('pong'),
  ok: onlyType('ok'),
  goodbye: onlyType('goodbye'),
  leave: ({ header }) => requireText(header, 'id'),
  error: ({ header }) => expect(errorOf(header).code).toBe(header['code']),
  hello: (message) => (network = parseHello(message).network),
  welcome: (message) => {
    const { serverRecord } = parseWelcome(message);
    if (serverRecord !== undefined) verifyServerRecord(serverRecord, network);
  },
  enrol: (message) => verifyGrant(parseEnrol(message).grant, network),
  draft: parseDraft,
  'enrol-sign': parseEnrolSign,
  enrolled: (message) => {
    const { membership, serverRecord } = parseEnrolled(message);
    verifyMembership(membership, network);
    verifyServerRecord(serverRecord, network);
  },
  directory: (message) => {
    const { entries } = parseDirectory(message);
    expect(entries.map(({ kind }) => kind)).toEqual(['member', 'record', 'presence']);
    for (const entry of entries) {
      if (entry.kind === 'member') verifyMembership(entry.membership, network);
      if (entry.kind === 'record') verifyPeerRecord(entry.record, network);
    }
  },
  'directory-get': parseDirectoryGet,
  record: (message) => verifyPeerRecord(parseRecord(message), network),
  'removals-get': ({ header }) => requireInteger(header, 'after'),
  removals: (message) => {
    for (const removal of parseRemovals(message)) verifyRemoval(removal, network);
  },
  heartbeat: parseHeartbeat,
  schedules: parseSchedules,
  report: (message) => {
    parseReport(message);
    expect(parseReportDue(message)).toEqual({ nextInMs: 600_000, thirdInMs: 1_800_000 });
  },
  attach: parseAttach,
  collect: parseCollect,
  deliver: parseDeliver,
  stored: parseStored,
  spool: parseSpool,
  text: (message) => verifyText(parseTextMessage(message), network),
  broadcast: (message) => verifyText(parseTextMessage(message), network),
  broadcasted: parseBroadcasted,
  offer: parseOffer,
  answer: ({ header }) => requireText(header, 're'),
  entries: parseEntries,
  'entries-answer': parseEntriesAnswer,
  file: parseFile,
  chunk: parseChunk,
  basis: parseBasisRequest,
  'basis-answer': (message) => parseBasisAnswer(message, 1),
  same: parseSame,
  skip: parseSkip,
  small: parseSmall,
  got: parseGot,
  grow: parseGrow,
  end: parseEnd,
  abandon: parseEntryFailure,
  failed: parseEntryFailure,
  receipts: (message) => verifyReceipts(parseReceipts(message)),
  'no-call-back': onlyType('no-call-back'),
  working: onlyType('working'),
  list: parseList,
  listing: parseListing,
  fetch: parseFetch,
  unsent: parseUnsent,
  holding: parseHolding,
  held: parseHeld,
  done: onlyType('done'),
};

test('every message has one example, and every example is of a message', () => {
  expect(examples.map(({ type }) => type).toSorted()).toEqual(Object.keys(PARSERS).toSorted());
});

test('every type that a family lists in its head is specified', async () => {
  const folder = new URL('../../packages/protocol/src/messages/', import.meta.url);
  const heads = await Promise.all(
    [
      'session',
      'error',
      'enrol',
      'directory',
      'report',
      'schedule',
      'upload',
      'text',
      'transfer',
      'share',
      'holding',
    ].map((family) => readFile(new URL(`${family}.ts`, folder), 'utf8')),
  );
  const listed = heads.flatMap((source) => {
    const head = source.slice(0, source.indexOf('*/'));
    return [...head.matchAll(/^ \* {3}([a-z-]+) {1,}(?:\S+ → \S+|either) /gm)].map(([, type = '']) => type);
  });
  expect(listed.length).toBeGreaterThan(25);
  expect(listed.filter((type) => !(type in PARSERS))).toEqual([]);
});

describe.each(examples)('the example of $type', ({ type, header, content, bytes }) => {
  test('is what it says in words', () => {
    const [message, ...more] = decode(bytes);
    expect(more).toEqual([]);
    expect(Object.entries(message?.header ?? {})).toEqual(Object.entries(header));
    const received = message?.content ?? Buffer.alloc(0);
    const shown = content?.startsWith('0x')
      ? `0x${received.subarray(0, (content.length - 3) / 2).toString('hex')}…`
      : received.toString('utf8');
    expect(shown).toBe(content ?? '');
    expect(header['type']).toBe(type);
  });

  test('is laid out by this library in the same bytes', () => {
    const [message] = decode(bytes);
    expect(encodeFrame(header, message?.content).toString('hex')).toBe(bytes.toString('hex'));
  });

  test('is parsed by its family, and its signatures hold', () => {
    const [message] = decode(bytes);
    expect(message).toBeDefined();
    const hello = decode(examples.find((example) => example.type === 'hello')?.bytes ?? Buffer.alloc(0));
    network = hello[0]?.header['network'] ?? '';
    if (message !== undefined) PARSERS[type]?.(message);
  });
});

test('the signed bytes that are shown are those of the removal that is shown', () => {
  const hex = /^```signed removal\n([^]*?)^```$/m.exec(page)?.[1]?.replaceAll('\n', '');
  const [message] = decode(examples.find(({ type }) => type === 'removals')?.bytes ?? Buffer.alloc(0));
  const [removal] = message === undefined ? [] : parseRemovals(message);
  if (removal === undefined) throw new Error('there is an example of a removal');
  const { network: of, networkKey, number, id, removedAt } = removal;
  const fields = { network: of, networkKey, number: String(number), id, removedAt: String(removedAt) };
  expect(signedBytes('removal', fields).toString('hex')).toBe(hex);
});

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  FrameDecoder,
  encodeFrame,
  errorOf,
  parseDirectory,
  parseEnrol,
  parseEnrolled,
  parseInvite,
  parseReceipts,
  parseSealed,
  parseStageState,
  verifyStageWord,
  parseRecord,
  parseRemovals,
  reportMessage,
  parseTextMessage,
  parseWelcome,
  signedBytes,
  verifyGrant,
  verifyMembership,
  verifyPeerRecord,
  verifyRemoval,
  verifyServerRecord,
  verifyText,
  type Message,
  broadcastMessage,
  messageType,
  messageTypes,
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

let network = '';

/** What holds of an example beside that it can be parsed: its signatures, mostly. */
const CHECKS: Readonly<Record<string, (message: Message) => unknown>> = {
  error: ({ header }) => expect(errorOf(header, 'bob').code).toBe(header['code']),
  welcome: (message) => {
    const { serverRecord } = parseWelcome(message);
    if (serverRecord !== undefined) verifyServerRecord(serverRecord, network);
  },
  enrol: (message) => verifyGrant(parseEnrol(message).grant, network),
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
  record: (message) => verifyPeerRecord(parseRecord(message), network),
  removals: (message) => {
    for (const removal of parseRemovals(message)) verifyRemoval(removal, network);
  },
  report: (message) =>
    expect(reportMessage.parse(message).due).toEqual({ nextInMs: 600_000, thirdInMs: 1_800_000 }),
  text: (message) => verifyText(parseTextMessage(message), network),
  broadcast: (message) => verifyText(broadcastMessage.parse(message), network),
  receipts: (message) => verifyReceipts(parseReceipts(message)),
  sealed: (message) => {
    const { word } = parseSealed(message);
    verifyStageWord(word, word);
  },
  'stage-state': (message) => {
    const { word } = parseStageState(message);
    verifyStageWord(word, word);
  },
};

test('every message has one example, and every example is of a message', () => {
  expect(examples.map(({ type }) => type).toSorted()).toEqual(
    messageTypes()
      .map(({ type }) => type)
      .toSorted(),
  );
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

  test('is parsed by its declaration, has an id or an answer where it must, and its signatures hold', () => {
    const declared = messageType(type);
    const [message] = decode(bytes);
    if (message === undefined || declared === undefined) throw new Error('every example is of a message');
    const hello = decode(examples.find((example) => example.type === 'hello')?.bytes ?? Buffer.alloc(0));
    network = hello[0]?.header['network'] ?? '';
    CHECKS[type]?.(message);
    expect(() => declared.parse(message)).not.toThrow();
    expect('id' in header).toBe(declared.answers.length > 0);
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

test('the invite that is shown is that of the enrolment that is shown', () => {
  const link = /^```invite link\n(.*)\n```$/m.exec(page)?.[1] ?? '';
  const [message] = decode(examples.find(({ type }) => type === 'enrol')?.bytes ?? Buffer.alloc(0));
  if (message === undefined) throw new Error('there is an example of enrol');
  const { grant, seed } = parseInvite(link);
  expect(grant).toEqual(parseEnrol(message).grant);
  expect(seed.toString('hex')).toBe('05'.repeat(32));
});

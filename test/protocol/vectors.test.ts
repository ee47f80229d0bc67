import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  FrameDecoder,
  encodeFrame,
  formatHostPort,
  formatInvite,
  idOfPublicKey,
  isPeerId,
  keyPairFromSeed,
  parseGrant,
  parseInvite,
  parseLeave,
  parseMembership,
  parsePeerRecord,
  parseReceiptBatch,
  parseRemoval,
  parseRemovedBatch,
  parseServerList,
  parseServerRecord,
  parseStageWord,
  parseText,
  requireMachineName,
  verifyGrant,
  verifyLeave,
  verifyMembership,
  verifyPeerRecord,
  verifyRemoval,
  verifyServerList,
  verifyServerRecord,
  verifyStageWord,
  verifyText,
  type Header,
  type Message,
} from '@filer/protocol';
import { FileDigests, verifyReceipts, verifyRemoved } from '@filer/transfer';
import { textOf, vectorFiles } from '../../scripts/vectors.ts';
import { contentOf } from '../../scripts/vectors/receipts.ts';
import { codeOf } from './outcome.ts';

interface GoodVector {
  readonly name: string;
  readonly hex: string;
  readonly header: Record<string, string>;
  readonly content: string;
}

interface BadVector {
  readonly name: string;
  readonly hex: string;
  readonly error: string;
}

const folder = new URL('../../packages/protocol/vectors/', import.meta.url);
const good: GoodVector[] = JSON.parse(await readFile(new URL('good.json', folder), 'utf8'));
const bad: BadVector[] = JSON.parse(await readFile(new URL('bad.json', folder), 'utf8'));

function decode(hex: string, pieceBytes = Infinity): Message[] {
  const bytes = Buffer.from(hex, 'hex');
  const decoder = new FrameDecoder();
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes), (message) => messages.push(message));
  }
  expect(decoder.midFrame).toBe(false);
  return messages;
}

/** `__proto__` and the like are plain keys here. */
function pairsOf(header: Header): [string, string][] {
  return Object.entries(header);
}

test.each(good)('good frame: $name', ({ hex, header, content }) => {
  for (const pieceBytes of [Infinity, 1, 3]) {
    const [message, ...more] = decode(hex, pieceBytes);
    expect(more).toEqual([]);
    expect(pairsOf(message?.header ?? {})).toEqual(pairsOf(header));
    expect(message?.content.toString('hex')).toBe(content);
  }
});

test.each(good)('good frame, laid out again and read again: $name', ({ header, content }) => {
  const frame = encodeFrame(header, Buffer.from(content, 'hex'));
  const [message] = decode(frame.toString('hex'));
  expect(pairsOf(message?.header ?? {})).toEqual(pairsOf(header));
  expect(message?.content.toString('hex')).toBe(content);
});

test.each(bad)('bad frame: $name', ({ hex, error }) => {
  expect(codeOf(() => decode(hex))).toBe(error);
  expect(codeOf(() => decode(hex, 1))).toBe(error);
});

const read = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8');

test.each(Object.entries(vectorFiles))(
  '%s is what the script writes: else run "npm run vectors"',
  async (name, vectors) => {
    expect(await read(name)).toBe(textOf(vectors));
  },
);

interface DocumentVector {
  readonly name: string;
  readonly kind: string;
  readonly document: unknown;
}
interface Vectors<Good, Bad> {
  readonly good: readonly Good[];
  readonly bad: readonly Bad[];
}
type Refused = { readonly error: string };

const documents: Vectors<DocumentVector, DocumentVector & Refused> & { readonly network: string } =
  JSON.parse(await read('documents.json'));

/** Reads a document of another machine and checks its signatures. */
const CHECKS: Readonly<Record<string, (document: unknown) => void>> = {
  invite: (document) => verifyGrant(parseGrant(document), documents.network),
  membership: (document) => {
    const membership = parseMembership(document);
    verifyMembership(membership, documents.network);
    requireMachineName(membership);
  },
  servers: (document) => verifyServerList(parseServerList(document), documents.network),
  server: (document) => verifyServerRecord(parseServerRecord(document), documents.network),
  removal: (document) => verifyRemoval(parseRemoval(document), documents.network),
  leave: (document) => verifyLeave(parseLeave(document), documents.network),
  record: (document) => verifyPeerRecord(parsePeerRecord(document), documents.network),
  stage: (document) => {
    const word = parseStageWord(document);
    verifyStageWord(word, { ...word, network: documents.network });
  },
  text: (document) => verifyText(parseText(document), documents.network),
};

function check({ kind, document }: DocumentVector): void {
  const checks = CHECKS[kind];
  if (checks === undefined) throw new Error(`nothing checks documents of the kind ${kind}`);
  checks(document);
}

test('there is a good document of each kind', () => {
  const kinds = new Set(documents.good.map(({ kind }) => kind));
  expect([...kinds].toSorted()).toEqual(Object.keys(CHECKS).toSorted());
});

test.each(documents.good)('good document: $name', (vector) => {
  expect(codeOf(() => check(vector))).toBe('none');
});

test.each(documents.bad)('bad document: $name', (vector) => {
  expect(codeOf(() => check(vector))).toBe(vector.error);
});

type IdVector = {
  readonly seed: string;
  readonly publicKey: string;
  readonly text: string;
  readonly id: string;
};
const ids: Vectors<IdVector, { readonly name: string; readonly text: string }> = JSON.parse(
  await read('ids.json'),
);

test.each(ids.good)('the id of the key $publicKey', ({ seed, publicKey, text, id }) => {
  expect(keyPairFromSeed(Buffer.from(seed, 'hex')).publicKey.toString('hex')).toBe(publicKey);
  expect(Buffer.from(publicKey, 'hex').toString('base64url')).toBe(text);
  expect(idOfPublicKey(Buffer.from(publicKey, 'hex'))).toBe(id);
  expect(isPeerId(id)).toBe(true);
});

test.each(ids.bad)('no id: $name', ({ text }) => {
  expect(isPeerId(text)).toBe(false);
});

interface LinkVector {
  readonly name: string;
  readonly link: string;
}
interface GoodLink extends LinkVector {
  readonly seed: string;
  readonly addresses: readonly string[];
  readonly grant: object;
}
const invites: Vectors<GoodLink, LinkVector> = JSON.parse(await read('invites.json'));

test.each(invites.good)('invite with $name', ({ link, seed, addresses, grant }) => {
  const invite = parseInvite(link);
  expect(invite.seed.toString('hex')).toBe(seed);
  expect(invite.addresses.map(formatHostPort)).toEqual(addresses);
  expect(invite.grant).toEqual(grant);
  expect(formatInvite(invite)).toBe(link);
});

test.each(invites.bad)('no invite: $name', ({ link }) => {
  expect(codeOf(() => parseInvite(link))).toBe('invite-malformed');
});

interface ReceiptVector {
  readonly name: string;
  readonly receipts: unknown;
}
const receipts: Vectors<ReceiptVector, ReceiptVector & Refused> = JSON.parse(await read('receipts.json'));

test.each(receipts.good)('receipts: $name', (vector) => {
  expect(codeOf(() => verifyReceipts(parseReceiptBatch(vector.receipts)))).toBe('none');
});

test.each(receipts.bad)('bad receipts: $name', (vector) => {
  expect(codeOf(() => verifyReceipts(parseReceiptBatch(vector.receipts)))).toBe(vector.error);
});

interface RemovedVector {
  readonly name: string;
  readonly removed: unknown;
}
const removed: Vectors<RemovedVector, RemovedVector & Refused> = JSON.parse(await read('removed.json'));

test.each(removed.good)('removed: $name', (vector) => {
  expect(codeOf(() => verifyRemoved(parseRemovedBatch(vector.removed)))).toBe('none');
});

test.each(removed.bad)('bad removed: $name', (vector) => {
  expect(codeOf(() => verifyRemoved(parseRemovedBatch(vector.removed)))).toBe(vector.error);
});

type DigestVector = { readonly size: number; readonly digest: string; readonly blocks: string };
const digests: Pick<Vectors<DigestVector, never>, 'good'> = JSON.parse(await read('digests.json'));

test.each(digests.good)('the digests of $size bytes, in pieces', ({ size, digest, blocks }) => {
  const content = contentOf(size);
  const made = new FileDigests();
  for (let at = 0; at < size; at += 100_003) made.update(content.subarray(at, at + 100_003));
  expect(made.finish()).toEqual({ digest, blocks });
});

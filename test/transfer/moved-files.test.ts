import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceiptBatch } from '@filer/protocol';
import { type ReceivedFile, type ReceiveOptions, type SendOptions } from '@filer/transfer';
import {
  identityOf,
  KnownDigests,
  type KnownDigest,
} from '../../packages/transfer/src/digests/known-digests.ts';
import { verifyReceipts } from '../../packages/transfer/src/receipts/receipts.ts';
import { digestsOf, withReceiver } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MTIME_S = 1_600_000_000;
const LARGE = Buffer.alloc(1_500_000, 'large');

/** A sender that remembers what its files are, and a receiver that remembers what came. */
class Again {
  readonly ends: TwoEnds;
  readonly deliveries = deliveredBefore();
  readonly there: string;
  readonly #shelf = new Map<string, KnownDigest>();
  readonly #known = new KnownDigests({
    find: (identity) => this.#shelf.get(identity),
    keep: (identity, known) => void this.#shelf.set(identity, known),
  });

  constructor(ends: TwoEnds) {
    this.ends = ends;
    this.there = join(ends.inbox, 'alice');
  }

  /** A tree that was delivered: one large file, and small ones. */
  static async delivered(names: readonly string[], receive: Partial<ReceiveOptions> = {}): Promise<Again> {
    const again = new Again(await twoEnds());
    mkdirSync(again.at('tree'));
    again.write('tree/large', LARGE);
    for (const name of names) again.write(`tree/${name}`, Buffer.from(name.repeat(100)));
    await again.send(['tree'], {}, receive);
    return again;
  }

  at(path: string): string {
    return join(this.ends.home, path);
  }

  write(path: string, content: Buffer): void {
    writeFileSync(this.at(path), content);
    utimesSync(this.at(path), MTIME_S, MTIME_S);
    this.remember(path);
  }

  /** As if it had been read some seconds after it was written. */
  remember(path: string): void {
    const identity = identityOf(statSync(this.at(path), { bigint: true }));
    this.#shelf.set(identity, { ...digestsOf(readFileSync(this.at(path))), synced: false });
  }

  send(names: readonly string[], send: Partial<SendOptions> = {}, receive: Partial<ReceiveOptions> = {}) {
    return transfer(this.ends, names, {
      send: { known: this.#known, onConflict: 'update', ...send },
      receive: { copiesMoved: true, deliveries: this.deliveries, known: new KnownDigests(), ...receive },
    });
  }
}

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name))
      .toSorted()
      .map((path) => [
        path.slice(folder.length + 1),
        `${Math.floor(statSync(path).mtimeMs)} ${digestsOf(readFileSync(path)).digest}`,
      ]),
  );
}

const FEW = ['a', 'b'];
const MANY = Array.from({ length: 40 }, (_, n) => `many-${n}`);

test.each([
  ['few files', FEW, true],
  ['many files', MANY, true],
  ['many files, not synced', MANY, false],
])('nothing of a renamed folder travels: %s', async (_, names, sync) => {
  const again = await Again.delivered(names);
  renameSync(again.at('tree'), again.at('renamed'));
  const kept: ReceiptBatch[] = [];
  const { sent, received } = await again.send(
    ['renamed'],
    { keep: (batch) => void kept.push(batch) },
    { sync },
  );

  expect(received).toMatchObject({ ok: true, bytesReceived: 0 });
  expect(sent).toMatchObject({ ok: true });
  expect(contents(join(again.there, 'renamed'))).toEqual(contents(again.at('renamed')));
  // What was there is the receiver's until it is removed.
  expect(contents(join(again.there, 'tree'))).toEqual(contents(join(again.there, 'renamed')));
  for (const batch of kept) verifyReceipts(batch);
  const files = kept.flatMap((batch) => batch.files);
  expect(files).toHaveLength(names.length + 1);
  expect(files.every(({ synced, path }) => synced === sync && path.startsWith('alice/renamed/'))).toBe(true);
  expect(readdirSync(again.there).toSorted()).toEqual(['renamed', 'tree']);
  expect(again.deliveries.all.get('alice/renamed/large')?.content).toBe(digestsOf(LARGE).digest);
});

test('nor of a renamed file, and of two copies', async () => {
  const again = await Again.delivered(FEW);
  mkdirSync(again.at('other'));
  again.write('other/first', LARGE);
  again.write('other/second', LARGE);
  const recorded: ReceivedFile[] = [];
  const { sent, received } = await again.send(['other'], {}, { record: (file) => void recorded.push(file) });

  expect(received).toMatchObject({ ok: true, bytesReceived: 0 });
  expect(sent.ok).toBe(true);
  expect(contents(join(again.there, 'other'))).toEqual(contents(again.at('other')));
  // For the receiver's programs they are files that came.
  expect(recorded.map(({ present }) => present)).toEqual([undefined, undefined]);
});

test.each([
  ['has another time', Buffer.alloc(LARGE.length, 'other'), MTIME_S + 60],
  ['has its time', Buffer.alloc(LARGE.length, 'other'), MTIME_S],
  ['is shorter', LARGE.subarray(1), MTIME_S],
])('one whose old file was changed at the receiver and %s comes', async (_, content, mtime) => {
  const again = await Again.delivered([]);
  writeFileSync(join(again.there, 'tree', 'large'), content);
  utimesSync(join(again.there, 'tree', 'large'), mtime, mtime);
  renameSync(again.at('tree'), again.at('renamed'));
  const { sent, received } = await again.send(['renamed']);

  expect(sent.ok).toBe(true);
  expect(received.bytesReceived).toBe(LARGE.length);
  expect(contents(join(again.there, 'renamed'))).toEqual(contents(again.at('renamed')));
  expect(readdirSync(again.there).toSorted()).toEqual(['renamed', 'tree']);
});

test.each([
  ['', {}],
  [', and digests that are remembered are not used', { checksum: true }],
])('nothing of a renamed file travels whose digest is not remembered%s', async (_, send) => {
  const again = await Again.delivered(MANY); // all of one time
  renameSync(again.at('tree/large'), again.at('tree/renamed'));
  const kept: ReceiptBatch[] = [];
  const { sent, received } = await again.send(['tree'], { ...send, keep: (batch) => void kept.push(batch) });

  expect(sent.ok).toBe(true);
  expect(received).toMatchObject({ ok: true, bytesReceived: 0 });
  expect(contents(join(again.there, 'tree'))).toMatchObject(contents(again.at('tree')));
  expect(readdirSync(join(again.there, 'tree')).toSorted()).toEqual([...MANY, 'large', 'renamed'].toSorted());
  for (const batch of kept) verifyReceipts(batch);
  expect(kept.flatMap(({ files }) => files)).toContainEqual(
    expect.objectContaining({ path: 'alice/tree/renamed', ...digestsOf(LARGE) }),
  );
});

test('one whose old file is changed while its sender compares gets no receipt, and no file', async () => {
  const again = await Again.delivered([]);
  const { digest } = digestsOf(LARGE);
  const there = join(again.there, 'tree', 'large');
  utimesSync(there, 0, 0);
  again.deliveries.all.set('alice/tree/large', { content: digest, mtimeNs: 0n, job: 'job' });
  const { hand, outcome } = await withReceiver(again.ends, {
    deliveries: again.deliveries,
    copiesMoved: true,
  });
  await hand.offer({ renamed: LARGE.length });
  writeFileSync(there, Buffer.alloc(LARGE.length, 'other'));
  utimesSync(there, 0, 0);
  await hand.say({ type: 'skip', entry: '0', digest });
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({
    ok: false,
    files: [{ name: 'renamed', code: 'verification-failed' }],
  });
  expect(readdirSync(again.there)).toEqual(['tree']);
});

test('another file of its size and time comes', async () => {
  const again = await Again.delivered([]);
  const other = Buffer.alloc(LARGE.length, 'other');
  writeFileSync(again.at('tree/other'), other);
  utimesSync(again.at('tree/other'), MTIME_S, MTIME_S);
  const { sent, received } = await again.send(['tree']);

  expect(sent.ok).toBe(true);
  expect(received.bytesReceived).toBe(other.length);
  expect(contents(join(again.there, 'tree'))).toEqual(contents(again.at('tree')));
});

test('what another sender delivered, or the receiver has, stands for nothing', async () => {
  const again = await Again.delivered(FEW);
  again.deliveries.all.clear();
  renameSync(again.at('tree'), again.at('renamed'));
  const { received } = await again.send(['renamed']);

  expect(received).toMatchObject({ ok: true });
  expect(received.bytesReceived).toBeGreaterThan(LARGE.length);
});

test('a copy takes room and counts as what comes', async () => {
  const again = await Again.delivered([]);
  renameSync(again.at('tree'), again.at('renamed'));
  const { sent } = await again.send(['renamed'], {}, { policy: { maxBytes: LARGE.length - 1 } });

  expect(sent).toMatchObject({ ok: false, files: [{ code: 'too-large' }] });
  expect(contents(again.there)).toEqual({ 'tree/large': expect.any(String) as string });
});

test('one file is copied a few times for one transfer, whatever a sender claims', async () => {
  const again = await Again.delivered([]);
  mkdirSync(again.at('other'));
  const small = Buffer.from('a'.repeat(100));
  again.write('tree/a', small);
  await again.send(['tree']);
  for (const name of MANY) again.write(`other/${name}`, small);
  const { sent, received } = await again.send(['other']);

  expect(sent.ok).toBe(true);
  expect(received.bytesReceived).toBe((MANY.length - 16) * small.length);
});

import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Digests } from '@filer/protocol';
import { receiveFiles, sendFiles } from '@filer/transfer';
import { digestOfBlock } from '../../packages/transfer/src/digests/digests.ts';
import { rollingSum, SoughtSums } from '../../packages/transfer/src/digests/rolling-sum.ts';
import { MovedBlocks } from '../../packages/transfer/src/send/moved-blocks.ts';
import { digestsOf, withReceiver } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

describe('a rolling sum', () => {
  test('is found wherever its window is, and is that of these bytes alone', () => {
    const content = randomBytes(2 * MiB + 7);
    for (const at of [0, 1, 4_097, MiB, MiB + 6]) {
      const sums = new SoughtSums();
      sums.add(rollingSum(content, at), 5);
      expect(sums.find(content, 0, MiB + 7)).toEqual({ at, block: 5 });
      expect(sums.find(content, at + 1, MiB + 7)).toBeUndefined();
    }
  });

  test('of a block that is there several times gives the first', () => {
    const sums = new SoughtSums();
    for (const block of [3, 4]) sums.add(rollingSum(Buffer.alloc(MiB)), block);
    expect(sums.find(Buffer.alloc(2 * MiB), 0, 9)).toEqual({ at: 0, block: 3 });
  });
});

/** A seeker in a file, and how often it asked. */
function seeker(file: Buffer, basis: Buffer, isHonest = true, most?: number) {
  const asked: number[] = [];
  const moved = new MovedBlocks(
    (first, count) => {
      asked.push(first);
      const [digests, sums]: [Buffer[], number[]] = [[], []];
      for (let block = first; block < first + count && (block + 1) * MiB <= basis.length; block++) {
        const content = basis.subarray(block * MiB, (block + 1) * MiB);
        digests.push(isHonest ? digestOfBlock(content) : randomBytes(32));
        sums.push(rollingSum(content));
      }
      return Promise.resolve({ digests: Buffer.concat(digests), sums });
    },
    (into, offset, bytes) => into.subarray(0, file.copy(into, 0, offset, offset + bytes)),
    0,
    most,
  );
  return { moved, asked };
}

test('whatever is put in, taken out or moved, each block that is said to be there is', async () => {
  const old = randomBytes(5 * MiB + 11);
  const cut = fc.record({ from: fc.nat(old.length), bytes: fc.nat(3 * MiB) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(cut, fc.nat(5_000)), { maxLength: 4 }), async (parts) => {
      const file = Buffer.concat(
        parts.map((part) =>
          typeof part === 'number' ? randomBytes(part) : old.subarray(part.from, part.from + part.bytes),
        ),
      );
      const { moved } = seeker(file, old);
      for (let offset = 0; offset < file.length; offset += MiB) {
        const bytes = Math.min(MiB, file.length - offset);
        const place = await moved.placeOf(offset, bytes, file.length);
        if (place === undefined) continue;
        expect(old.subarray(place, place + bytes).equals(file.subarray(offset, offset + bytes))).toBe(true);
      }
    }),
    { numRuns: 10 },
  );
});

test('what follows an insertion is found in one piece, and what precedes a cut, too', async () => {
  const old = randomBytes(6 * MiB);
  const file = Buffer.concat([randomBytes(777), old.subarray(0, 3 * MiB + 5), old.subarray(4 * MiB + 9)]);
  const { moved } = seeker(file, old);
  const places: (number | undefined)[] = [];
  for (let offset = 0; offset < file.length; offset += MiB)
    places.push(await moved.placeOf(offset, Math.min(MiB, file.length - offset), file.length));
  expect(places).toEqual([undefined, MiB - 777, 2 * MiB - 777, undefined, undefined, 6 * MiB - 773]);
});

test('of a large basis the blocks that were passed long ago are forgotten', async () => {
  const old = randomBytes(8 * MiB);
  const file = Buffer.concat([randomBytes(777), old]);
  const { moved } = seeker(file, old, true, 2);
  const places: (number | undefined)[] = [];
  for (let offset = 0; offset < 8 * MiB; offset += MiB) {
    places.push(await moved.placeOf(offset, MiB, file.length));
  }
  expect(moved.knownBlocks).toBe(5);
  expect(places).toEqual([undefined, ...Array.from({ length: 7 }, (_, n) => (n + 1) * MiB - 777)]);
});

test('a receiver that makes digests up is believed for a while', async () => {
  const zeros = Buffer.alloc(4 * MiB);
  const { moved } = seeker(zeros, zeros, false);
  expect(await moved.placeOf(0, MiB, zeros.length)).toBeUndefined();
  expect(moved.isOver).toBe(true);
});

test('a receiver that knows no sums is asked once', async () => {
  let asked = 0;
  const moved = new MovedBlocks(
    () => Promise.resolve({ digests: Buffer.alloc(++asked * 32), sums: undefined }),
    () => Buffer.alloc(0),
    0,
  );
  expect(await moved.placeOf(0, MiB, 4 * MiB)).toBeUndefined();
  expect(await moved.placeOf(MiB, MiB, 4 * MiB)).toBeUndefined();
  expect([asked, moved.isOver]).toEqual([1, true]);
});

describe('a file that was sent before', () => {
  test.each([
    ['with something put in at its beginning', (old: Buffer) => Buffer.concat([randomBytes(100), old])],
    ['without its beginning', (old: Buffer) => old.subarray(1_234_567)],
  ])('%s costs a few blocks', async (_, changed) => {
    const ends = await twoEnds();
    const receive = { deliveries: deliveredBefore() };
    const old = randomBytes(12 * MiB + 12_345);
    await writeFile(join(ends.home, 'a.bin'), old);
    await transfer(ends, ['a.bin'], { receive });
    const next = changed(old);
    await writeFile(join(ends.home, 'a.bin'), next);

    const { sent, received } = await transfer(ends, ['a.bin'], { receive });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(sent.bytesSent).toBeLessThanOrEqual(6 * MiB);
    expect(received.bytesReceived).toBe(sent.bytesSent);
    expect((await readFile(join(ends.inbox, sent.files[0]?.path ?? ''))).equals(next)).toBe(true);
  });
});

test('a file with something put in that was cut on its way continues, and costs a few blocks', async () => {
  const ends = await twoEnds();
  const receive = { deliveries: deliveredBefore() };
  const old = randomBytes(16 * MiB);
  await writeFile(join(ends.home, 'a.bin'), old);
  await transfer(ends, ['a.bin'], { receive });
  const next = Buffer.concat([randomBytes(100), old]);
  await writeFile(join(ends.home, 'a.bin'), next);
  const { dialler, accepter } = await connected();
  const cut = sendOptions(ends, ['a.bin'], {
    on: (event) => {
      if (event.type === 'progress' && event.fileBytes > 5 * MiB) dialler.socket.destroy();
    },
  });
  await Promise.all([sendFiles(dialler, cut), receiveFiles(accepter, receiveOptions(ends, receive))]);

  const { sent } = await transfer(ends, ['a.bin'], { receive });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(sent.bytesSent).toBeLessThanOrEqual(6 * MiB);
  expect((await readFile(join(ends.inbox, sent.files[0]?.path ?? ''))).equals(next)).toBe(true);
});

describe('a sender by hand', () => {
  async function withOlder() {
    const ends = await twoEnds();
    const receive = { deliveries: deliveredBefore() };
    const old = randomBytes(3 * MiB);
    await writeFile(join(ends.home, 'a.bin'), old);
    await transfer(ends, ['a.bin'], { receive });
    const played = await withReceiver(ends, receive);
    const size = 2 * MiB;
    await played.hand.offer({ 'a.bin': size });
    await played.hand.file(0, size);
    const same = (offset: number, from: number, { digest }: Digests): Promise<void> => {
      const at = { offset: String(offset), bytes: String(MiB), from: String(from) };
      return played.hand.say({ type: 'same', entry: '0', ...at, block: digest });
    };
    return { ...played, ends, old, same };
  }

  test('has blocks taken from any place, once they are what it says', async () => {
    const { hand, old, same, ends, outcome } = await withOlder();
    const wanted = old.subarray(7, 7 + 2 * MiB);
    for (const n of [0, 1]) {
      const block = wanted.subarray(n * MiB, (n + 1) * MiB);
      await same(n * MiB, 7 + n * MiB, digestsOf(block));
    }
    await hand.end(0, wanted);
    await hand.hear('receipts');
    expect((await readFile(join(ends.inbox, 'alice', 'a (1).bin'))).equals(wanted)).toBe(true);
    await hand.say({ type: 'done' });
    await hand.hear('done');
    await hand.messenger.close();
    expect(await outcome).toMatchObject({ ok: true, bytesReceived: 0 });
  });

  test('that is wrong about a block is told to begin again', async () => {
    const { hand, same, ends, outcome } = await withOlder();
    await same(0, 5, digestsOf(Buffer.from('another')));
    expect((await hand.hear('failed'))?.header).toMatchObject({ code: 'verification-failed', again: '1' });
    expect((await stat(join(ends.inbox, 'alice', 'a.bin'))).size).toBe(3 * MiB);
    await hand.messenger.close();
    expect(await outcome).toMatchObject({ ok: false });
  });

  test('that names a place beyond the basis is refused', async () => {
    const { hand, old, same, outcome } = await withOlder();
    await same(0, 2 * MiB + 1, digestsOf(old));
    expect((await hand.hear('error'))?.header).toMatchObject({ code: 'unexpected-message' });
    await hand.messenger.close();
    expect(await outcome).toMatchObject({ ok: false });
  });
});

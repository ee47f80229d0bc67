import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FileEnd, Message } from '@filer/protocol';
import { PART_PREFIX, receiveFiles, sendFiles, type Channel, type FileSink } from '@filer/transfer';
import { FileDigests } from '../../packages/transfer/src/digests/digests.ts';
import { IncomingBlocks } from '../../packages/transfer/src/receive/incoming-blocks.ts';
import { digestsOf, withReceiver, withSender, type Hand } from './by-hand.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;
const BYTES = 3 * MiB + 17;
const BLOCKS = [0, 1, 2, 3];
const content = randomBytes(BYTES);

function blockOf(bytes: Buffer, n: number): Buffer {
  return bytes.subarray(n * MiB, (n + 1) * MiB);
}

function altered(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

/** Says one block in two chunks; the digest that goes with it is that of `claimed`. */
async function sayBlock(hand: Hand, n: number, block: Buffer, claimed = block): Promise<void> {
  const { digest } = digestsOf(claimed);
  const middle = Math.ceil(block.length / 2);
  const header = { type: 'chunk', entry: '0', offset: String(n * MiB), block: digest };
  await hand.say(header, block.subarray(0, middle));
  await hand.chunk(0, n * MiB + middle, block.subarray(middle));
}

async function arrived(ends: TwoEnds): Promise<Buffer> {
  return await readFile(join(ends.inbox, 'alice', 'a'));
}

/** Hears how far the receiver took the file, until it says that it failed. */
async function untilFailed(hand: Hand): Promise<{ failed: Message; got: number }> {
  let got = 0;
  for (;;) {
    const message = await hand.hear('got', 'failed');
    if (message === undefined) throw new Error('the receiver left');
    if (message.header['type'] === 'failed') return { failed: message, got };
    got = Number(message.header['offset']);
  }
}

test('a sender says with the first chunk of each block what the block is, and the list of it at the end', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), content);
  const { hand } = await withSender(ends, ['a']);
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  const told = new Map<number, string>();
  let end: Message | undefined;
  while (end === undefined) {
    const message = await hand.hear('chunk', 'end');
    const { offset, block } = message?.header ?? {};
    if (message?.header['type'] === 'end') end = message;
    else if (block !== undefined) told.set(Number(offset), block);
  }

  expect([...told]).toEqual(BLOCKS.map((n) => [n * MiB, digestsOf(blockOf(content, n)).digest]));
  expect(end.header).toMatchObject(digestsOf(content));
});

describe.each(BLOCKS)('block %i of a file that is not what was said of it', (wrong) => {
  test('is refused at once, does not count, and the file continues there', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ a: BYTES });
    await hand.file(0, BYTES);
    for (const n of BLOCKS.slice(0, wrong)) await sayBlock(hand, n, blockOf(content, n));
    await sayBlock(hand, wrong, altered(blockOf(content, wrong), 5), blockOf(content, wrong));

    const { failed, got } = await untilFailed(hand);
    expect(failed.header).toMatchObject({ entry: '0', code: 'verification-failed', again: '1' });
    expect(failed.header['bytes']).toBe(String(wrong * MiB));
    expect(got).toBe(wrong * MiB);

    await hand.say({ type: 'abandon', entry: '0', code: 'verification-failed', message: '' });
    await hand.file(0, BYTES);
    await hand.say({ type: 'basis', id: 'b', entry: '0', first: '0', count: '8' });
    expect((await hand.hear('basis-answer'))?.content.length).toBe(wrong * 32);
    for (const n of BLOCKS) {
      const [offset, bytes] = [String(n * MiB), String(MiB)];
      if (n < wrong) await hand.say({ type: 'same', entry: '0', offset, bytes });
      else await sayBlock(hand, n, blockOf(content, n));
    }
    await hand.end(0, content);
    await hand.say({ type: 'done' });

    expect(await outcome).toMatchObject({ ok: true, filesDelivered: 1 });
    expect((await arrived(ends)).equals(content)).toBe(true);
  });

  test('a second time fails the file, and what came before is kept for the next transfer', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ a: BYTES, b: 2 });
    for (let tries = 0; tries < 2; tries++) {
      await hand.file(0, BYTES);
      for (const n of BLOCKS.slice(0, wrong)) await sayBlock(hand, n, blockOf(content, n));
      await sayBlock(hand, wrong, blockOf(content, wrong), Buffer.from('something else'));
      const { failed } = await untilFailed(hand);
      expect(failed.header['again']).toBe(tries === 0 ? '1' : undefined);
      await hand.say({ type: 'abandon', entry: '0', code: 'verification-failed', message: '' });
    }
    await hand.file(1, 2);
    await hand.chunk(1, 0, Buffer.from('ok'));
    await hand.end(1, Buffer.from('ok'));
    await hand.say({ type: 'done' });

    expect(await outcome).toMatchObject({
      filesDelivered: 1,
      filesFailed: 1,
      files: [{ name: 'a', code: 'verification-failed', failedBy: 'here' }, { name: 'b' }],
    });
    const kept = (await readdir(ends.inbox)).filter((name) => name.startsWith(PART_PREFIX));
    expect(kept).toHaveLength(wrong > 0 ? 1 : 0);
    for (const name of kept) {
      expect((await readFile(join(ends.inbox, name))).equals(content.subarray(0, wrong * MiB))).toBe(true);
    }
  });
});

test.each(BLOCKS)(
  'a sender whose block %i of 20 is altered on its way sends the rest once more',
  async (n) => {
    const ends = await twoEnds();
    const whole = randomBytes(20 * MiB);
    await writeFile(join(ends.home, 'a'), whole);
    const { dialler, accepter } = await connected();
    let isDone = false;
    const lying: Channel = {
      who: dialler.who,
      closed: dialler.closed,
      reject: (error) => dialler.reject(error),
      [Symbol.asyncIterator]: () => dialler[Symbol.asyncIterator](),
      send: async (header, bytes) => {
        const isAltered = header['type'] === 'chunk' && header['offset'] === String(n * MiB) && !isDone;
        if (isAltered) isDone = true;
        await dialler.send(header, isAltered ? altered(Buffer.from(bytes ?? []), 100) : bytes);
      },
    };
    const [sent, received] = await Promise.all([
      sendFiles(lying, sendOptions(ends, ['a'])),
      receiveFiles(accepter, receiveOptions(ends)),
    ]);

    expect([sent.ok, received.ok]).toEqual([true, true]);
    expect((await arrived(ends)).equals(whole)).toBe(true);
    // Of what was ahead when the block was refused, at most the lead is lost.
    expect(sent.bytesSent).toBeLessThanOrEqual(whole.length + 10 * MiB);
  },
);

test('a receiver that refuses blocks without end is not sent the file without end', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), Buffer.alloc(20 * MiB));
  const { hand, outcome } = await withSender(ends, ['a']);
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  let begun = 0;
  for (;;) {
    const next = await hand.hear('file', 'basis', 'chunk', 'done');
    const { type, id, offset } = next?.header ?? {};
    if (type === 'done') break;
    if (type === 'basis') await hand.say({ type: 'basis-answer', re: id ?? '' });
    const end = Number(offset) + (next?.content.length ?? 0);
    if (type === 'chunk') await hand.say({ type: 'got', entry: '0', offset: String(end) });
    if (type !== 'file') continue;
    begun++;
    const again = { code: 'verification-failed', message: 'wrong', again: '1', bytes: String(MiB) };
    await hand.say({ type: 'failed', entry: '0', ...again });
  }
  await hand.say({ type: 'done' });

  expect(begun).toBeLessThanOrEqual(3);
  expect(await outcome).toMatchObject({ filesFailed: 1, files: [{ failedBy: 'peer' }] });
});

test.each([
  ['digest', { blocks: digestsOf(content).blocks, digest: digestsOf(Buffer.from('x')).digest }],
  ['list of blocks', { digest: digestsOf(content).digest, blocks: digestsOf(Buffer.from('x')).blocks }],
])('right blocks do not make a file of which the %s at the end is another', async (_, said) => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: BYTES });
  await hand.file(0, BYTES);
  for (const n of BLOCKS) await sayBlock(hand, n, blockOf(content, n));
  await hand.say({ type: 'end', entry: '0', size: String(BYTES), ...said });
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ files: [{ code: 'verification-failed' }] });
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
});

describe('a sender that says of no block what it is', () => {
  test.each([
    ['is believed once the digests at the end are right', content, undefined],
    ['is not believed when they are not', altered(content, MiB + 1), 'verification-failed'],
  ])('%s', async (_, sent, code) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ a: BYTES });
    await hand.file(0, BYTES);
    // In chunks that keep to no blocks.
    const most = 700_001;
    for (let at = 0; at < BYTES; at += most) await hand.chunk(0, at, sent.subarray(at, at + most));
    await hand.end(0, content);
    await hand.say({ type: 'done' });

    expect((await outcome).files[0]?.code).toBe(code);
  });
});

test.each([
  ['a digest with a chunk that is of two blocks', MiB - 5, digestsOf(content).digest, 'unexpected-message'],
  ['an invalid digest', 0, 'blake3:00', 'message-malformed'],
])('%s breaks the protocol', async (_, offset, block, code) => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: BYTES });
  await hand.file(0, BYTES);
  if (offset > 0) await hand.chunk(0, 0, content.subarray(0, offset));
  await hand.say({ type: 'chunk', entry: '0', offset: String(offset), block }, content.subarray(0, 10));

  expect((await hand.hear('error'))?.header['code']).toBe(code);
  expect((await outcome).error?.code).toBe(code);
});

test('a small file with a wrong digest fails alone, and a right one follows', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 5, b: 5 });
  const facts = { type: 'small', size: '5', mtimeNs: '0', mode: '420' };
  const hello = Buffer.from('hello');
  await hand.say({ ...facts, entry: '0', ...digestsOf(Buffer.from('hallo')) }, hello);
  expect((await hand.hear('failed'))?.header).not.toHaveProperty('again');
  await hand.say({ ...facts, entry: '1', ...digestsOf(hello) }, hello);
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ filesDelivered: 1, files: [{ code: 'verification-failed' }, {}] });
});

test('what is still being written is verified block by block, too', async () => {
  const ends = await twoEnds();
  const whole = join(ends.home, 'a');
  await writeFile(whole, content);
  // It grows in steps that keep to no blocks.
  const growing = {
    reach: (bytes: number) => {
      const there = Math.min(BYTES, Math.max(bytes, 1) + 300_000);
      return Promise.resolve({ bytes: there, complete: there === BYTES });
    },
  };
  const { sent } = await transfer(ends, [], { send: { files: [{ file: whole, name: 'a', growing }] } });

  expect(sent.ok).toBe(true);
  expect((await arrived(ends)).equals(content)).toBe(true);
});

/** A sink in memory. */
class Written implements FileSink {
  readonly basis = {
    bytes: 0,
    has: () => Promise.resolve(undefined),
    read: () => Promise.resolve(undefined),
  };
  readonly final = 0;
  readonly digests = new FileDigests();
  readonly blocks: Buffer[] = [];
  resize(): void {
    // any size will do
  }
  write(block: Buffer, _offset: number, free: () => void): Promise<void> {
    this.blocks.push(Buffer.from(block));
    free();
    return Promise.resolve();
  }
  writeSame = (): Promise<void> => Promise.resolve();
  settled = (): Promise<void> => Promise.resolve();
  keep = (): Promise<number> => Promise.resolve(0);
  drop = (): Promise<void> => Promise.resolve();
}

test('however a file is cut into chunks, and wherever one bit is wrong, a sink gets the right blocks before it and no other', async () => {
  const file = content.subarray(0, 2 * MiB + 5);
  const end: FileEnd = { entry: 0, size: file.length, ...digestsOf(file) };
  const cuts = fc.array(fc.integer({ min: 1, max: MiB }), { minLength: 3, maxLength: 12 });
  const wrongAt = fc.option(fc.nat(file.length - 1), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(cuts, wrongAt, fc.boolean(), async (lengths, wrong, isGrowing) => {
      const sent = wrong === undefined ? file : altered(file, wrong);
      const sink = new Written();
      const blocks = new IncomingBlocks(sink, {
        name: 'a',
        size: file.length,
        isGrowing,
        written: () => undefined,
      });
      let isRight = true;
      for (let at = 0, n = 0; at < file.length && isRight; n++) {
        const toBlockEnd = MiB - (at % MiB);
        const bytes = Math.min(lengths[n % lengths.length] ?? MiB, toBlockEnd, file.length - at);
        // With the last chunk of the block at the latest.
        const isTold = bytes === toBlockEnd || at + bytes === file.length;
        const block = isTold ? digestsOf(blockOf(file, Math.floor(at / MiB))).digest : undefined;
        isRight = await blocks.append({ content: sent.subarray(at, at + bytes), block }, () => undefined);
        at += bytes;
      }
      const finished = isRight ? await blocks.finish(end).catch(() => undefined) : undefined;
      const right = wrong === undefined ? file.length : Math.floor(wrong / MiB) * MiB;
      expect(Buffer.concat(sink.blocks).equals(file.subarray(0, right))).toBe(true);
      expect(finished !== undefined).toBe(wrong === undefined);
    }),
    { numRuns: 40 },
  );
});

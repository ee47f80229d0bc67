import { randomBytes } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { receiveStream, sendFiles, StreamSink } from '@filer/transfer';
import { digestsOf, Hand } from './by-hand.ts';
import { connected, sendOptions, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

/** A stream whose bytes are kept. */
function keeping(): { into: StreamSink; written: () => Buffer; onWrite: (bytes: number) => void } {
  const pieces: Buffer[] = [];
  const sink = { onWrite: (_bytes: number): void => undefined };
  const into = new StreamSink((content) => {
    pieces.push(Buffer.from(content));
    sink.onWrite(into.written);
    return Promise.resolve();
  });
  return Object.assign(sink, { into, written: () => Buffer.concat(pieces) });
}

/** One connection that carries a file into a stream; it is cut once so much was written. */
async function stream(ends: TwoEnds, sink: ReturnType<typeof keeping>, cutAt = Infinity) {
  const { dialler, accepter } = await connected();
  sink.onWrite = (bytes) => {
    if (bytes < cutAt) return;
    accepter.destroy();
    dialler.destroy(); // else what is on its way would still come
  };
  const { network, receiver: keyPair, sender } = ends;
  const [sent, received] = await Promise.all([
    sendFiles(accepter, sendOptions(ends, ['file'])),
    receiveStream(dialler, { network, keyPair, senderId: sender.id, name: 'file', into: sink.into }),
  ]);
  await dialler.close();
  return { sent, received };
}

describe.each([0, 1, 1000, MiB, 3 * MiB + 17])('a file of %i bytes', (size) => {
  test('goes into a stream, and is signed for', async () => {
    const ends = await twoEnds();
    const content = randomBytes(size);
    await writeFile(join(ends.home, 'file'), content);
    const sink = keeping();
    const { sent, received } = await stream(ends, sink);

    expect(received).toEqual({ bytesReceived: size });
    expect(sent).toMatchObject({ ok: true, filesDelivered: 1, files: [{ path: '-' }] });
    expect(sink.written().equals(content)).toBe(true);
  });
});

test('holes of a sparse file go into a stream as zeros, after a cut, too', async () => {
  const ends = await twoEnds();
  const [size, written] = [8 * MiB + 3, randomBytes(2 * MiB + 9)];
  await writeFile(join(ends.home, 'file'), written);
  await truncate(join(ends.home, 'file'), size);
  const sink = keeping();
  const first = await stream(ends, sink, 4 * MiB);
  expect(first.received.error?.code).toBe('connection-closed');

  const { sent, received } = await stream(ends, sink);

  expect([received.error, sent.ok]).toEqual([undefined, true]);
  expect(sink.written().equals(Buffer.concat([written], size))).toBe(true);
});

test.each([
  [8 * MiB + 3, 1],
  [8 * MiB + 3, MiB - 1],
  [8 * MiB + 3, MiB],
  [8 * MiB + 3, 3 * MiB + 5],
  [9 * MiB, 7 * MiB + 1],
])(
  'a stream of %i bytes that was cut at byte %i continues from there, and little travels twice',
  async (size, cutAt) => {
    const ends = await twoEnds();
    const content = randomBytes(size);
    await writeFile(join(ends.home, 'file'), content);
    const sink = keeping();
    const first = await stream(ends, sink, cutAt);
    expect(first.received.error?.code).toBe('connection-closed');
    const before = sink.into.written;

    const { sent, received } = await stream(ends, sink);
    expect([received.error, sent.ok]).toEqual([undefined, true]);
    expect(sink.written().equals(content)).toBe(true);
    expect(sent.bytesSent).toBeLessThanOrEqual(content.length - before + MiB);
  },
);

test.each([
  ['in a block that was written', (content: Buffer) => content.writeUInt8(content.readUInt8(5) ^ 1, 5)],
  ['in the block that was begun', (content: Buffer) => content.fill(0, 3 * MiB, 3 * MiB + 1)],
])('a file that changed meanwhile %s ends it: nothing is spliced', async (_where, change) => {
  const ends = await twoEnds();
  const content = randomBytes(8 * MiB);
  content.writeUInt8(7, 3 * MiB);
  await writeFile(join(ends.home, 'file'), content);
  const sink = keeping();
  await stream(ends, sink, 3 * MiB + 100_000);
  const before = sink.written();
  change(content);
  await writeFile(join(ends.home, 'file'), content);

  const { received } = await stream(ends, sink);
  expect(received.error?.code).toBe('source-changed');
  expect(sink.written().equals(before)).toBe(true);
});

test('a file that changed beyond what was written continues as it is now', async () => {
  const ends = await twoEnds();
  const content = randomBytes(8 * MiB);
  await writeFile(join(ends.home, 'file'), content);
  const sink = keeping();
  await stream(ends, sink, 3 * MiB);
  content.fill(0, 7 * MiB);
  await writeFile(join(ends.home, 'file'), content);

  expect((await stream(ends, sink)).received.error).toBeUndefined();
  expect(sink.written().equals(content)).toBe(true);
});

describe('an owner that is hostile', () => {
  const content = randomBytes(2 * MiB + 17);
  const wrong = Buffer.from('something else');

  /** Fetches into a stream from an owner that the test plays, which has offered a file of this size. */
  async function withStream(size: number) {
    const { network, receiver: keyPair, sender } = await twoEnds();
    const { dialler, accepter } = await connected();
    const sink = keeping();
    const outcome = receiveStream(accepter, {
      network,
      keyPair,
      senderId: sender.id,
      name: 'file',
      into: sink.into,
    });
    const hand = new Hand(dialler);
    await hand.offer({ file: size });
    return { hand, outcome, written: sink.written };
  }

  async function sayBlock(hand: Hand, n: number, claimed: Buffer): Promise<void> {
    const block = content.subarray(n * MiB, (n + 1) * MiB);
    const header = { type: 'chunk', entry: '0', offset: String(n * MiB), block: digestsOf(claimed).digest };
    await hand.say(header, block);
  }

  test.each([0, 1, 2])('has no byte written of a block that is not what it said: block %i', async (at) => {
    const { hand, outcome, written } = await withStream(content.length);
    for (let tries = 0; tries < 2; tries++) {
      await hand.file(0, content.length);
      for (let n = 0; n <= at; n++) {
        await sayBlock(hand, n, n === at ? wrong : content.subarray(n * MiB, (n + 1) * MiB));
      }
      const failed = await hand.hear('failed');
      expect(failed?.header['again']).toBe(tries === 0 ? '1' : undefined);
      await hand.say({ type: 'abandon', entry: '0', code: 'verification-failed', message: '' });
    }
    await hand.say({ type: 'done' });

    expect((await outcome).error?.code).toBe('verification-failed');
    expect(written().equals(content.subarray(0, at * MiB))).toBe(true);
  });

  test.each([5, MiB])(
    'has no byte written of a small file of %i bytes that is not what it said',
    async (size) => {
      const { hand, outcome, written } = await withStream(size);
      const facts = { type: 'small', entry: '0', size: String(size), mtimeNs: '0', mode: '420' };
      await hand.say({ ...facts, ...digestsOf(wrong) }, content.subarray(0, size));
      await hand.say({ type: 'done' });

      expect((await outcome).error?.code).toBe('verification-failed');
      expect(written()).toHaveLength(0);
    },
  );

  test('that says of no block what it is has the last one written only when all is right', async () => {
    const { hand, outcome, written } = await withStream(content.length);
    await hand.file(0, content.length);
    for (let n = 0; n < 3; n++) await hand.chunk(0, n * MiB, content.subarray(n * MiB, (n + 1) * MiB));
    await hand.end(0, wrong, content.length);
    await hand.say({ type: 'done' });

    expect((await outcome).error?.code).toBe('verification-failed');
    expect(written().equals(content.subarray(0, 2 * MiB))).toBe(true);
  });

  test('that offers a folder ends it', async () => {
    const { network, receiver: keyPair, sender } = await twoEnds();
    const { dialler, accepter } = await connected();
    const { into } = keeping();
    const outcome = receiveStream(accepter, { network, keyPair, senderId: sender.id, name: 'file', into });
    const hand = new Hand(dialler);
    await hand.say({ type: 'offer', id: 'o', job: 'j', files: '1', bytes: '1' }, { names: [] });
    await hand.hear('answer');
    const folder = { path: 'file', kind: 'dir', size: 0, mtimeNs: '0', mode: 0o755 };
    await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [folder]);

    expect((await hand.hear('error'))?.header['code']).toBe('path-unsupported');
    expect((await outcome).error?.code).toBe('path-unsupported');
  });

  test.each([
    ['cannot read it', { type: 'unsent', code: 'path-unreadable', message: 'x' }, 'path-unreadable'],
    ['has nothing', undefined, 'path-missing'],
  ])('that %s says so', async (_, unsent, code) => {
    const { network, receiver: keyPair, sender } = await twoEnds();
    const { dialler, accepter } = await connected();
    const { into } = keeping();
    const outcome = receiveStream(accepter, { network, keyPair, senderId: sender.id, name: 'file', into });
    const hand = new Hand(dialler);
    if (unsent !== undefined) await hand.say(unsent, { path: 'file' });
    await hand.say({ type: 'done' });

    expect((await outcome).error?.code).toBe(code);
  });
});

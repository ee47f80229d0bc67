import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FilerError } from '@filer/protocol';
import { receiveStream, sendFiles, StreamedFile } from '@filer/transfer';
import { digestsOf } from './by-hand.ts';
import { connected, sendOptions, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

/** A stream whose bytes are kept. */
function keeping(): { into: StreamedFile; written: () => Buffer; onWrite: (bytes: number) => void } {
  const pieces: Buffer[] = [];
  const sink = { onWrite: (_bytes: number): void => undefined };
  const into = new StreamedFile((content) => {
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
    if (bytes >= cutAt) accepter.destroy();
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

test.each([
  [8 * MiB + 3, 1],
  [8 * MiB + 3, MiB - 1],
  [8 * MiB + 3, MiB],
  [8 * MiB + 3, 3 * MiB + 5],
  [9 * MiB, 9 * MiB - 1],
])(
  'a stream of %i bytes that was cut at byte %i goes on from there, and little travels twice',
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

test('a small file of which a part was written goes on from there', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'file'), 'hello');
  const sink = keeping();
  sink.into.begin(5);
  await sink.into.append(Buffer.from('he'));

  expect((await stream(ends, sink)).received.error).toBeUndefined();
  expect(sink.written().toString()).toBe('hello');
});

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

test('a file that changed beyond what was written goes on as it is now', async () => {
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

describe('whatever a sender says', () => {
  test('what was never written is not the same', () => {
    const { into } = keeping();
    into.begin(10);
    expect(() => into.same(1)).toThrow('never written');
  });

  test('a digest that is not that of the bytes fails the file', async () => {
    const { into } = keeping();
    into.begin(5);
    await into.append(Buffer.from('hello'));
    const wrong = { size: 5, ...digestsOf(Buffer.from('hallo')) };
    expect(() => into.verify(wrong)).toThrow(FilerError);
  });

  test('a file that is shorter than what was written is another one', async () => {
    const { into } = keeping();
    into.begin(5);
    await into.append(Buffer.from('hello'));
    expect(() => into.begin(4)).toThrow('was changed');
  });
});

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_LINE_BYTES, READ_AHEAD_BYTES } from '@filer/sockets';
import { failureOf } from '../protocol/outcome.ts';
import { collect, TCP, until } from '../protocol/wires.ts';
import { connectStreams } from './streams.ts';

const MiB = 1 << 20;

describe('lines', () => {
  test('come back whole with either end, however they are cut', async () => {
    const line = fc.stringMatching(/^[a-zä€ \r]{0,12}[a-z]$|^$/);
    const end = fc.constantFrom('\n', '\r\n');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(line, end), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 20 }),
        async (sent, sizes) => {
          await using pair = await connectStreams(TCP);
          const bytes = Buffer.from(sent.map((parts) => parts.join('')).join(''));
          let at = 0;
          for (const size of [...sizes, bytes.length]) {
            const piece = bytes.subarray(at, at + size);
            at += size;
            if (piece.length > 0) await new Promise((resolve) => pair.near.socket.write(piece, resolve));
          }
          await pair.near.end();
          expect(await collect(pair.far.lines())).toEqual(sent.map(([text]) => text));
        },
      ),
      { numRuns: 40 },
    );
  });

  test('need no end at the end, and a carriage return alone does not end a line', async () => {
    await using pair = await connectStreams(TCP);
    await pair.near.write('one\r\n\ntw\ro\r\r\nlast\r');
    await pair.near.end();
    expect(await collect(pair.far.lines())).toEqual(['one', '', 'tw\ro\r', 'last\r']);
    expect(await pair.far.readLine()).toBeUndefined();
  });

  test('of exactly the limit are read with either end, and without one', async () => {
    await using pair = await connectStreams(TCP);
    const text = 'x'.repeat(MAX_LINE_BYTES);
    await pair.near.write(`${text}\n${text}\r\n${text}`);
    await pair.near.end();
    expect((await collect(pair.far.lines())).map((line) => line.length)).toEqual(
      Array.from({ length: 3 }, () => MAX_LINE_BYTES),
    );
  });

  test.each(['xxxxxx\n', 'xxxxxx\r\n', 'xxxxxx', 'xxxxxxxxxxxxxxxxxxxxxxxx'])(
    'above the limit are refused: %j',
    async (text) => {
      await using pair = await connectStreams(TCP);
      await pair.near.write(text);
      await pair.near.end();
      const error = await failureOf(pair.far.readLine(5));
      expect(error.code).toBe('too-large');
      expect(error.message).toMatch(/^127\.0\.0\.1:\d+ sent a line of more than 5 bytes$/);
    },
  );

  test('that never end are refused at the limit, not when memory is full', async () => {
    await using pair = await connectStreams(TCP);
    const writing = (async () => {
      while (pair.near.writable) await pair.near.write(Buffer.alloc(MiB, 'x'));
    })().catch(() => undefined);
    expect((await failureOf(pair.far.readLine())).code).toBe('too-large');
    pair.far.destroy();
    await writing;
  });
});

describe('reading', () => {
  test('exactly n bytes, a line and the rest share one stream', async () => {
    await using pair = await connectStreams(TCP);
    await pair.near.write('headline one\nand more');
    await pair.near.end();
    expect((await pair.far.readExactly(4)).toString()).toBe('head');
    expect(await pair.far.readLine()).toBe('line one');
    expect((await pair.far.readExactly(0)).length).toBe(0);
    expect((await pair.far.readToEnd()).toString()).toBe('and more');
    expect(await pair.far.read()).toBeUndefined();
    expect((await pair.far.readToEnd()).length).toBe(0);
  });

  test('exactly n bytes fails with how many came when the other side ends before', async () => {
    await using pair = await connectStreams(TCP);
    await pair.near.write('abc');
    await pair.near.end();
    const error = await failureOf(pair.far.readExactly(4));
    expect(error.code).toBe('connection-closed');
    expect(error.message).toMatch(/ended the connection after 3 of 4 bytes$/);
  });

  test('exactly n bytes takes more than is read ahead', async () => {
    await using pair = await connectStreams(TCP);
    const writing = pair.near.write(Buffer.alloc(4 * MiB, 7));
    const bytes = await pair.far.readExactly(4 * MiB);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    await writing;
  });

  test('to the end takes as much as its limit and not a byte more', async () => {
    await using fitting = await connectStreams(TCP);
    await fitting.near.write(Buffer.alloc(1_000));
    await fitting.near.end();
    expect(await fitting.far.readToEnd(1_000)).toHaveLength(1_000);
    await using larger = await connectStreams(TCP);
    await larger.near.write(Buffer.alloc(1_001));
    await larger.near.end();
    expect((await failureOf(larger.far.readToEnd(1_000))).code).toBe('too-large');
  });

  test('not at all holds the sender back, with little read ahead', async () => {
    await using pair = await connectStreams(TCP);
    await pair.near.write('x');
    await pair.far.readExactly(1);
    let written = 0;
    const writing = (async () => {
      for (; written < 64; written++) await pair.near.write(Buffer.alloc(MiB));
      await pair.near.end();
    })();
    await until(() => pair.far.socket.isPaused());
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(pair.far.socket.bytesRead).toBeLessThan(READ_AHEAD_BYTES * 3);
    expect(written).toBeLessThan(40);
    let received = 0;
    for await (const piece of pair.far) received += piece.length;
    expect(received).toBe(64 * MiB);
    await writing;
  });

  test('ends with the reason when the other side vanishes', async () => {
    await using pair = await connectStreams(TCP);
    const reading = failureOf(pair.near.read());
    pair.far.socket.resetAndDestroy();
    expect((await reading).message).toMatch(/broke \(ECONNRESET\)$/);
    expect((await pair.near.closed)?.code).toBe('connection-closed');
    expect((await failureOf(pair.near.write('more'))).message).toMatch(/broke \(ECONNRESET\)$/);
  });

  test('is for one reader at a time', async () => {
    await using pair = await connectStreams(TCP);
    const first = pair.near.read();
    await expect(pair.near.read()).rejects.toThrow('a stream has one reader at a time');
    await pair.far.write('x');
    expect(await first).toHaveLength(1);
  });

  test('that waits ends when the stream is closed under it', async () => {
    await using pair = await connectStreams(TCP);
    const reading = failureOf(pair.near.read());
    await turn();
    const far = pair.far.readToEnd().then(() => pair.far.close());
    await pair.near.close();
    expect((await reading).code).toBe('connection-closed');
    await far;
  });
});

describe('a file', () => {
  const file = async (content: Buffer): Promise<string> => {
    const path = join(await mkdtemp(join(tmpdir(), 'filer-')), 'file');
    await writeFile(path, content);
    return path;
  };

  test.each([
    [{}, 1_000_000],
    [{ offset: 10 }, 999_990],
    [{ length: 10 }, 10],
    [{ offset: 999_990, length: 100 }, 10],
    [{ offset: 2_000_000 }, 0],
    [{ length: 0 }, 0],
  ])('is sent with %j, and the bytes are counted', async (part, expected) => {
    const content = Buffer.alloc(1_000_000, 'The quick brown fox. ');
    const path = await file(content);
    await using pair = await connectStreams(TCP);
    const reading = pair.far.readToEnd();
    expect(await pair.near.sendFile(path, part)).toBe(expected);
    await pair.near.end();
    const { offset = 0, length = Infinity } = part as { offset?: number; length?: number };
    expect((await reading).equals(content.subarray(offset, offset + length))).toBe(true);
  });

  test('that is missing, a folder, or asked for from nowhere is an error of ours, and the connection lives', async () => {
    await using pair = await connectStreams(TCP);
    const path = await file(Buffer.from('x'));
    expect((await failureOf(pair.near.sendFile(`${path}-not`))).code).toBe('path-missing');
    expect((await failureOf(pair.near.sendFile(tmpdir()))).code).toBe('path-unsupported');
    expect((await failureOf(pair.near.sendFile(path, { offset: -1 }))).code).toBe('usage');
    expect((await failureOf(pair.near.sendFile(path, { length: 0.5 }))).code).toBe('usage');
    const reason = new Error('stop');
    await expect(pair.near.sendFile(path, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(await pair.near.sendFile(path)).toBe(1);
    expect(await pair.far.readExactly(1)).toHaveLength(1);
  });

  test('waits for a reader that does not read, and fails when that one leaves', async () => {
    await using pair = await connectStreams(TCP);
    const path = await file(Buffer.alloc(64 * MiB));
    const sending = failureOf(pair.near.sendFile(path));
    await until(() => pair.near.socket.writableNeedDrain);
    expect(pair.near.socket.writableLength).toBeLessThan(MiB);
    pair.far.destroy();
    expect((await sending).code).toBe('connection-closed');
  });
});

test('a stream that is silent for too long is destroyed and says why', async () => {
  await using pair = await connectStreams(TCP);
  pair.near.setIdleTimeout(1);
  const error = await failureOf(pair.near.read());
  expect(error.code).toBe('connection-silent');
  expect(await pair.near.closed).toBe(error);
});

test('an end after everything is written says when the connection broke before', async () => {
  await using pair = await connectStreams(TCP);
  pair.near.destroy();
  expect((await failureOf(pair.near.end())).code).toBe('connection-closed');
});

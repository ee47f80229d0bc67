import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { lowestOf, RateLimit, receiveFiles, sendFiles, type Channel } from '@filer/transfer';
import { connected, receiveOptions, sendOptions, transfer, twoEnds } from './two-ends.ts';

describe('a limit', () => {
  test('lets as many bytes go as its rate says, whichever transfer asks', () => {
    let now = 0;
    const limit = new RateLimit(1000, () => now);
    limit.reserve(100); // what was saved up before the first

    expect([limit.reserve(100), limit.reserve(200), limit.reserve(1)]).toEqual([0, 100, 300]);
    now = 250;
    expect(limit.reserve(1)).toBe(51);
  });

  test('makes up for a moment of silence only', () => {
    let now = 0;
    const limit = new RateLimit(1000, () => now);
    limit.reserve(100);
    now = 60_000;

    expect([limit.reserve(50), limit.reserve(50), limit.reserve(1), limit.reserve(1)]).toEqual([0, 0, 0, 1]);
  });

  test('forgets what went when its rate changes, and when it limits nothing', () => {
    let rate: number | undefined = 10_000;
    const limit = new RateLimit(
      () => rate,
      () => 0,
    );
    limit.reserve(64 * 1024 * 1024);
    expect(limit.reserve(1)).toBeGreaterThan(6_000_000);

    rate = 20_000_000;
    expect(limit.reserve(20_000_000)).toBe(0);
    expect(limit.reserve(1)).toBe(900);

    rate = undefined;
    expect(limit.reserve(1_000_000)).toBe(0);
    rate = 20_000_000;
    expect(limit.reserve(1)).toBe(0);
  });

  /** Takes that note when they ended, by a clock that the test moves. */
  function waiters(limit: RateLimit) {
    vi.useFakeTimers({ now: 0, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const went: [string, number][] = [];
    const wait = (name: string, bytes: number, signal = new AbortController().signal): void =>
      void limit.take(bytes, signal).then(() => went.push([name, Date.now()]));
    return { went, wait };
  }

  test('does not keep those who wait after its rate has changed, and keeps their order', async () => {
    let rate: number | undefined = 10;
    const { went, wait } = waiters(
      new RateLimit(
        () => rate,
        () => Date.now(),
      ),
    );
    for (const name of ['first', 'second', 'third']) wait(name, 10_000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(went).toEqual([['first', 0]]);

    rate = 10_000;
    await vi.advanceTimersByTimeAsync(3_000);
    expect(went.map(([name]) => name)).toEqual(['first', 'second', 'third']);

    rate = 10;
    wait('fourth', 10_000);
    wait('fifth', 10_000);
    rate = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(went.map(([name]) => name).slice(3)).toEqual(['fourth', 'fifth']);
  });

  test('gets back what someone who no longer waits was to take', async () => {
    const { went, wait } = waiters(new RateLimit(1_000, () => Date.now()));
    const stop = new AbortController();
    wait('first', 1_100);
    wait('stopped', 3_600_000, stop.signal);
    wait('behind it', 1_000);
    stop.abort(new Error('enough'));
    wait('last', 1_000);
    await vi.advanceTimersByTimeAsync(5_000);

    expect(went).toEqual([
      ['first', 0],
      ['stopped', 0],
      ['behind it', 1_000],
      ['last', 2_000],
    ]);
  });

  test.each([
    [1, 1],
    [1_000, 125],
    [20_000_000, 2_500_000],
  ])('of %i bytes a second goes in pieces of %i', (rate, piece) => {
    expect(new RateLimit(rate).pieceBytes).toBe(piece);
  });
});

/** Notes the content bytes of each chunk. */
function watched(channel: Channel, chunks: number[]): Channel {
  const { closed } = channel;
  return {
    closed,
    [Symbol.asyncIterator]: () => channel[Symbol.asyncIterator](),
    reject: (error) => channel.reject(error),
    send: (header, content) => {
      if (header['type'] === 'chunk') chunks.push(content?.length ?? 0);
      return channel.send(header, content);
    },
  };
}

test('large and small files, and the changed parts of one, arrive whole in the pieces of a limit', async () => {
  const ends = await twoEnds();
  const large = randomBytes(3 * 1024 * 1024 + 5);
  await writeFile(join(ends.home, 'large'), large);
  await writeFile(join(ends.home, 'small'), randomBytes(60_000));
  await writeFile(join(ends.home, 'empty'), '');
  await mkdir(join(ends.inbox, 'alice'), { recursive: true });
  const older = Buffer.from(large);
  older[1_500_000] = (older[1_500_000] ?? 0) ^ 1;
  await writeFile(join(ends.inbox, 'alice', 'large'), older);
  const chunks: number[] = [];
  const limit = new RateLimit(200_000_000);
  const slow = new RateLimit(800_000);
  const { dialler, accepter } = await connected();

  const [sent] = await Promise.all([
    sendFiles(watched(dialler, chunks), sendOptions(ends, ['large', 'small', 'empty'], { limit: slow })),
    receiveFiles(accepter, receiveOptions(ends)),
  ]);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 3 });
  expect(Math.max(...chunks)).toBeLessThanOrEqual(slow.pieceBytes);
  expect((await readFile(join(ends.inbox, 'alice', 'large (1)'))).equals(large)).toBe(true);
  for (const name of ['small', 'empty']) {
    const content = await readFile(join(ends.home, name));
    expect((await readFile(join(ends.inbox, 'alice', name))).equals(content)).toBe(true);
  }

  await writeFile(join(ends.home, 'other'), large);
  const { sent: fast } = await transfer(ends, ['other'], { send: { limit } });
  expect(fast.ok).toBe(true);
  expect((await readFile(join(ends.inbox, 'alice', 'other'))).equals(large)).toBe(true);
});

test('a limit of very few bytes a second is no standstill', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), randomBytes(1_000));
  const stallMs = 600;

  const { sent, received } = await transfer(ends, ['a'], {
    send: { limit: new RateLimit(1_000), stallMs },
    receive: { stallMs },
  });

  expect([sent.ok, received.ok]).toEqual([true, true]);
});

test('a transfer that waits for its limit can be stopped', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), randomBytes(100_000));
  const stop = new AbortController();

  const { sent } = await transfer(ends, ['a'], {
    send: {
      limit: new RateLimit(1),
      signal: stop.signal,
      on: ({ type }) => void (type === 'progress' && stop.abort(new Error('enough'))),
    },
  });

  expect(sent.ok).toBe(false);
});

test('of several limits the lowest counts, and one that bounds nothing now costs nothing', async () => {
  const rates: number[] = [];
  const standing = new RateLimit(
    () => rates.at(-1),
    () => 0,
  );
  expect([standing.pieceBytes, standing.reserve(1_000_000)]).toEqual([Infinity, 0]);
  const both = lowestOf(new RateLimit(8_000), undefined, standing);
  expect(both?.pieceBytes).toBe(1_000);
  rates.push(800);
  expect(both?.pieceBytes).toBe(100);
  expect(lowestOf(undefined)).toBeUndefined();
  await both?.take(1, new AbortController().signal);
});

test('a receiver takes content as fast as its limit says, and all of it', async () => {
  const ends = await twoEnds();
  const content = randomBytes(3 * 1024 * 1024);
  await writeFile(join(ends.home, 'large'), content);
  await writeFile(join(ends.home, 'small'), 'small');
  const taken: number[] = [];
  const limit = {
    pieceBytes: 100_000,
    take: (bytes: number) => {
      taken.push(bytes);
      return Promise.resolve();
    },
  };
  await transfer(ends, ['large', 'small'], { receive: { limit } });
  expect(taken.reduce((sum, bytes) => sum + bytes, 0)).toBe(content.length + 5);
  expect(Math.max(...taken)).toBe(limit.pieceBytes);
  expect(await readFile(join(ends.inbox, 'alice', 'large'))).toEqual(content);
});

test('a receiver that waits for its limit is no standstill to the sender, and can be stopped', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), randomBytes(1_000));
  const stall = { stallMs: 200, workingEveryMs: 50 };
  const receive = { ...stall, limit: new RateLimit(1_500) };
  receive.limit.reserve(500);
  expect((await transfer(ends, ['a'], { send: stall, receive })).sent.ok).toBe(true);

  await writeFile(join(ends.home, 'b'), randomBytes(1_000));
  const stop = new AbortController();
  const limit = {
    pieceBytes: 1,
    take: (_: number, signal: AbortSignal) => {
      setImmediate(() => stop.abort(new Error('enough')));
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  const { received } = await transfer(ends, ['b'], { receive: { limit, signal: stop.signal } });
  expect(received.ok).toBe(false);
});

import { expect, test } from 'vitest';
import { TransferTurns } from '../../apps/filer-client/src/send/job-turns.ts';
import { KeyedSemaphore, Semaphore, type Turn } from '@filer/protocol';

/** Takes a turn and keeps it until `end`. */
function work(turns: Semaphore): { begun: Promise<Turn>; end: () => void; over: Promise<void> } {
  const [begun, ended] = [Promise.withResolvers<Turn>(), Promise.withResolvers<void>()];
  const over = turns.take((turn) => {
    begun.resolve(turn);
    return ended.promise;
  });
  return { begun: begun.promise, end: ended.resolve, over };
}

test('who leaves a turn lets the next one in, and waits to have it again', async () => {
  const turns = new Semaphore(1);
  const [first, second] = [work(turns), work(turns)];
  const turn = await first.begun;
  turn.leave();
  turn.leave();
  await second.begun;

  let isBack = false;
  const back = turn.again().then(() => (isBack = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isBack).toBe(false);
  second.end();
  await back;

  first.end();
  await first.over;
  expect(await work(turns).begun).toBeDefined();
});

test('who ends while waiting to have a turn again holds none', async () => {
  const turns = new Semaphore(1);
  const [first, second] = [work(turns), work(turns)];
  const turn = await first.begun;
  turn.leave();
  await second.begun;
  const back = turn.again();
  first.end();
  await first.over;
  second.end();
  await back;

  const third = work(turns);
  await third.begun;
  let isIn = false;
  void work(turns).begun.then(() => (isIn = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isIn).toBe(false);
  third.end();
});

test('who is stopped while waiting for a turn waits no longer, and takes no one else a turn', async () => {
  const turns = new Semaphore(1);
  const first = work(turns);
  await first.begun;
  const stop = new AbortController();
  const told: string[] = [];
  const second = turns.take(() => Promise.resolve(void told.push('stopped')), stop.signal);
  const third = work(turns);
  stop.abort();
  await second;
  expect(told).toEqual(['stopped']);
  first.end();
  await third.begun;
  third.end();
  await third.over;
  expect(turns.isIdle).toBe(true);
});

test('a slow peer has some of the turns, and leaves the others to everyone else', async () => {
  const turns = new TransferTurns();
  const stop = new AbortController();
  const begin = (peer: string): { begun: Promise<void>; end: () => void } => {
    const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const forWork = async (): Promise<void> => {
      begun.resolve();
      await ended.promise;
    };
    void turns.take(peer, new Semaphore(1), forWork, stop.signal);
    return { begun: begun.promise, end: ended.resolve };
  };
  const slow = Array.from({ length: 100 }, () => begin('slow'));
  await slow[3]?.begun;
  await begin('quick').begun;
  let isFifthIn = false;
  void slow[4]?.begun.then(() => (isFifthIn = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isFifthIn).toBe(false);
  slow[0]?.end();
  await slow[4]?.begun;
});

test('what is done under one key is done in order, and holds up no other key', async () => {
  const semaphore = new KeyedSemaphore(1);
  const order: string[] = [];
  const leave = await semaphore.enter('a');
  const second = semaphore.take('a', () => Promise.resolve(order.push('second')));
  await semaphore.take('b', () => Promise.resolve(order.push('other')));
  leave?.();
  leave?.();
  await semaphore.enter('a');
  await second;

  expect(order).toEqual(['other', 'second']);
});

test('of one key the places are as many as said, also when a place is left twice', async () => {
  const semaphore = new KeyedSemaphore(1);
  const first = await semaphore.enter('a');
  first?.();
  const second = await semaphore.enter('a');
  first?.();
  let isThirdIn = false;
  const third = semaphore.enter('a').then(() => (isThirdIn = true));
  await new Promise((resolve) => setImmediate(resolve));

  expect(isThirdIn).toBe(false);
  second?.();
  await third;
});

test('who left a place for a while comes back to the semaphore of its key', async () => {
  const semaphore = new KeyedSemaphore(1);
  const waits = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  let atOnce = 0;
  let most = 0;
  const working = async (until: Promise<void>): Promise<void> => {
    most = Math.max(most, ++atOnce);
    await until;
    atOnce--;
  };
  const left = semaphore.take('a', async (turn) => {
    turn.leave();
    await waits.promise;
    await turn.again();
    await working(mayEnd.promise);
  });
  await semaphore.take('a', () => Promise.resolve());
  const other = semaphore.take('a', () => working(mayEnd.promise));
  waits.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  mayEnd.resolve();
  await Promise.all([left, other]);

  expect(most).toBe(1);
});

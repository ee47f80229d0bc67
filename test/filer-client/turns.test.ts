import { expect, test } from 'vitest';
import { Turns, type Turn } from '../../apps/filer-client/src/jobs/turns.ts';

/** Takes a turn and keeps it until `end`. */
function work(turns: Turns): { begun: Promise<Turn>; end: () => void; over: Promise<void> } {
  const [begun, ended] = [Promise.withResolvers<Turn>(), Promise.withResolvers<void>()];
  const over = turns.take((turn) => {
    begun.resolve(turn);
    return ended.promise;
  });
  return { begun: begun.promise, end: ended.resolve, over };
}

test('who leaves a turn lets the next one in, and waits to have it again', async () => {
  const turns = new Turns(1);
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
  const turns = new Turns(1);
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

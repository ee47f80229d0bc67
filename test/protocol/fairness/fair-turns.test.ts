import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FairTurns } from '../../../packages/protocol/src/fairness/fair-turns.ts';

/** A clock that only work moves. */
let nowMs = 0;

/** Work that takes longer than one turn of the event loop may. */
function busy(ms: number): void {
  nowMs += ms;
}

test('while there is little to do, work is done at once', () => {
  const turns = new FairTurns(() => nowMs);
  expect(turns.run('a', () => 7)).toBe(7);
  expect(() =>
    turns.run('a', () => {
      throw new Error('mine');
    }),
  ).toThrow('mine');
});

test('one who asks for much waits for itself: the others have every second turn', async () => {
  const turns = new FairTurns(() => nowMs);
  const order: string[] = [];
  const work = (name: string) => (): void => {
    order.push(name);
    busy(11);
  };
  const all = [
    ...Array.from({ length: 6 }, () => Promise.resolve(turns.run('flood', work('flood')))),
    Promise.resolve(turns.run('honest', work('honest'))),
  ];
  await Promise.all(all);

  expect(order.indexOf('honest')).toBeLessThanOrEqual(2);
  expect(order).toHaveLength(7);
});

test('between two pieces of work that are long, the event loop turns', async () => {
  const turns = new FairTurns(() => nowMs);
  let loops = 0;
  let over = false;
  const counting = (async () => {
    while (!over) {
      await turn();
      loops++;
    }
  })();
  await Promise.all(Array.from({ length: 5 }, () => Promise.resolve(turns.run('a', () => busy(11)))));
  over = true;
  await counting;
  expect(loops).toBeGreaterThanOrEqual(4);
});

test('what pieces leave for the end of their tick is work of their turns: the event loop turns between them', async () => {
  const turns = new FairTurns(() => nowMs);
  let loops = 0;
  let over = false;
  const counting = (async () => {
    while (!over) {
      await turn();
      loops++;
    }
  })();
  void turns.run('a', () => busy(11)); // the others wait
  const left = Array.from({ length: 6 }, (_, n) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const work = (): void => {
      busy(11);
      resolve();
    };
    void turns.run('a', () => (n % 2 === 0 ? process.nextTick(work) : void Promise.resolve().then(work)));
    return promise;
  });
  await Promise.all(left);
  over = true;
  await counting;
  expect(loops).toBeGreaterThanOrEqual(5);
});

test('of one holder 16 pieces may wait for something at once, and those of others begin meanwhile', async () => {
  const turns = new FairTurns(() => nowMs);
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const waiting = Array.from({ length: 20 }, () => Promise.resolve(turns.run('a', () => (begun++, promise))));
  await turn();
  expect(begun).toBe(16);
  await turn();
  expect(turns.run('b', () => 'done')).toBe('done'); // at once
  resolve();
  await Promise.all(waiting);
  expect(begun).toBe(20);
});

test('work that fails rejects for its caller, and the next has its turn', async () => {
  const turns = new FairTurns(() => nowMs);
  void turns.run('a', () => busy(11));
  const failing = turns.run('a', () => {
    throw new Error('mine');
  });
  const after = turns.run('a', () => 'after');
  await expect(failing).rejects.toThrow('mine');
  expect(await after).toBe('after');
});

test('a check whether it is one’s turn never runs work out of turn', async () => {
  const turns = new FairTurns(() => nowMs);
  const order: number[] = [];
  void turns.run('a', () => busy(11));
  const first = turns.run('a', () => void order.push(1));
  expect(turns.tryNow('a', () => void order.push(2))).toBe(false);
  await first;
  expect(turns.tryNow('a', () => void order.push(3))).toBe(true);
  expect(order).toEqual([1, 3]);
});

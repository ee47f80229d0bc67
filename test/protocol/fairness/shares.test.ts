import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Shares } from '@filer/protocol';

test('a holder has at most its bound, and another one still has all of its own', () => {
  const shares = new Shares({ perHolder: 10, inAll: 100 });
  expect([shares.tryAdd('a', 10), shares.tryAdd('a', 1), shares.tryAdd('b', 10)]).toEqual([
    true,
    false,
    true,
  ]);
  shares.giveBack('a', 4);
  expect(shares.tryAdd('a', 4)).toBe(true);
  expect([shares.of('a'), shares.total]).toEqual([10, 20]);
});

test('when all together are at their bound, a newcomer finds room and the greediest is over', () => {
  const shares = new Shares({ perHolder: 50, inAll: 100 });
  shares.add('a', 50);
  shares.add('b', 50);
  expect(shares.tryAdd('c', 10)).toBe(true);
  expect(['a', 'b', 'c'].map((holder) => shares.isOver(holder))).toEqual([true, true, false]);
});

describe('whatever is taken and given back', () => {
  const steps = fc.array(
    fc.record({ holder: fc.constantFrom('a', 'b', 'c', 'd'), amount: fc.integer({ min: 1, max: 40 }) }),
  );

  test('no holder gets above its bound, and the sum is what all hold', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.boolean()), (taken, given) => {
        const shares = new Shares({ perHolder: 50, inAll: 120 });
        const held: { holder: string; amount: number }[] = [];
        taken.forEach((step, index) => {
          if (shares.tryAdd(step.holder, step.amount)) held.push(step);
          if (given[index] === true) {
            const back = held.pop();
            if (back !== undefined) shares.giveBack(back.holder, back.amount);
          }
          for (const holder of ['a', 'b', 'c', 'd']) expect(shares.of(holder)).toBeLessThanOrEqual(50);
        });
        expect(shares.total).toBe(held.reduce((sum, { amount }) => sum + amount, 0));
        for (const { holder, amount } of held) shares.giveBack(holder, amount);
        expect(shares.total).toBe(0);
      }),
    );
  });
});

test('one that has nothing is no holder, whose part the others would lack', () => {
  const shares = new Shares({ perHolder: 100, inAll: 100 });
  for (let n = 0; n < 9; n++) shares.add(`idle ${n}`, 0);
  shares.add('greedy', 90);
  expect(shares.tryAdd('honest', 50)).toBe(true);
});

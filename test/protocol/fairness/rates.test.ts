import { Rates } from '@filer/protocol';
import { expect, test } from 'vitest';

test('a holder has all at once, then what comes back with time; another one has all of its own', () => {
  const rates = new Rates({ atOnce: 10, perSecond: 2 });
  expect([rates.tryTake('a', 10, 0), rates.tryTake('a', 1, 0), rates.tryTake('b', 10, 0)]).toEqual([
    true,
    false,
    true,
  ]);
  expect(rates.waitMs('a', 3, 0)).toBe(1_500);
  expect([rates.tryTake('a', 3, 1_499), rates.tryTake('a', 3, 1_500)]).toEqual([false, true]);
  expect(rates.left('a', 1_000_000)).toBe(10);
});

test('what has happened already is counted below zero, and waited for', () => {
  const rates = new Rates({ atOnce: 10, perSecond: 2 });
  rates.take('a', 30, 0);
  expect(rates.left('a', 0)).toBe(-20);
  expect([rates.tryTake('a', 1, 10_499), rates.tryTake('a', 1, 10_500)]).toEqual([false, true]);
});

test('holders that were quiet are forgotten, and those that were not are not', () => {
  const rates = new Rates({ atOnce: 10, perSecond: 1 });
  rates.take('busy', 10, 0);
  for (let n = 0; n < 5_000; n++) rates.take(`m${n}`, 1, n);
  expect(rates.left('busy', 5_000)).toBe(5);
});

import fc from 'fast-check';
import { fairLevel } from '@filer/protocol';
import { expect, test } from 'vitest';

test('those with most give way, and who has less than an equal part keeps all', () => {
  expect(fairLevel([100, 10, 50], 80)).toBe(35);
  expect(fairLevel([100, 10, 50], 20)).toBe(6);
  expect(fairLevel([100, 10, 50], 160)).toBe(Infinity);
  expect(fairLevel([], 0)).toBe(Infinity);
});

test('down to the level all together have what is allowed, and nothing is given up for nothing', () => {
  const amounts = fc.array(fc.nat(1_000), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(amounts, fc.nat(20_000), (held, limit) => {
      const level = fairLevel(held, limit);
      const left = held.reduce((sum, amount) => sum + Math.min(amount, level), 0);
      expect(left).toBeLessThanOrEqual(Math.max(limit, 0));
      const isTight = level === Infinity || left + held.length > limit;
      expect(isTight).toBe(true);
    }),
  );
});

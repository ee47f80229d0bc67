import { expect, test } from 'vitest';
import { TimeLimit } from '../../../apps/filer-client/src/jobs/time-limit.ts';

test('a short time-out wants content at 4 KiB a second: who drips less ends in time', () => {
  const { stallMs = 0, growthBytes = 0, waitsForPerson } = new TimeLimit(5_000).pace;

  expect(waitsForPerson).toBe(false);
  expect(stallMs).toBeLessThanOrEqual(5_000);
  expect(growthBytes).toBe(Math.ceil(4.096 * stallMs));
});

test('under a rate limit it wants a part of what that lets through', () => {
  const { stallMs = 0, growthBytes = 0 } = new TimeLimit(5_000, 2_000).pace;

  expect(growthBytes).toBeLessThan((2_000 * stallMs) / 1_000 / 50);
  expect(growthBytes).toBeGreaterThan(0);
});

test('a time-out of a minute or more leaves the pace of all transfers', () => {
  expect(new TimeLimit(60_000).pace).toEqual({});
});

import { expect, test } from 'vitest';
import { Trend } from './trend.ts';

/** One sample a second. */
function trendOf(seconds: number, valueAt: (second: number) => number): Trend {
  const trend = new Trend();
  for (let second = 0; second < seconds; second++) trend.add(second * 1_000, valueAt(second));
  return trend;
}

test('what rises slowly is seen through noise and peaks', () => {
  const noise = [0, 7, -4, 3, -7, 5, -2];
  const peak = (second: number): number => (second % 20 === 0 ? 60 : 0);
  const trend = trendOf(121, (s) => 50 + s / 10 + (noise[s % noise.length] ?? 0) + peak(s));
  const rise = trend.rise(60_000, 120_000);
  expect(rise).toBeGreaterThan(5);
  expect(rise).toBeLessThan(7);
  expect(trend.peak).toBeGreaterThan(100);
});

test('what goes up and down around the same value does not rise, also where the last peak is at the end', () => {
  expect(trendOf(121, (s) => (s % 30 > 20 ? 90 : 40)).rise(60_000, 120_000)).toBe(0);
  expect(trendOf(121, (s) => (s > 110 ? 90 : 40)).rise(60_000, 120_000)).toBe(0);
});

test('no rise is told of what was not there all the time', () => {
  const trend = new Trend();
  for (const at of [70_000, 80_000, 90_000, 100_000]) trend.add(at, 1);
  expect(trend.rise(60_000, 120_000)).toBeUndefined();
});

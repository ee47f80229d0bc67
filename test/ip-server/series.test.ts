import { expect, test } from 'vitest';
import { numberIn, seriesOf } from '../../apps/ip-server/src/api/series.ts';
import type { AdminApi } from '../../apps/ip-server/src/api/admin-api.ts';

test.each([
  ['80', 80],
  [' 12.5 % ', 12.5],
  ['-3e2 °C', -300],
  ['1 Mbit/s', 1],
  ['', null],
  ['full', null],
  ['1e999', null],
  ['1 2', null],
  [`1${' '.repeat(30)}!`, null],
  [`1${' '.repeat(16_000)}`, null],
  ['9'.repeat(65), null],
])('the number in %j', (text, number) => {
  expect(numberIn(text)).toBe(number);
});

test('a series is read a few reports at a time, with a turn for others between', async () => {
  const peer = 'A'.repeat(52);
  const stored = (number: number) => ({
    id: String(number),
    peer,
    receivedAt: number * 1_000,
    report: {
      spool: 'a'.repeat(32),
      seq: number,
      time: 0,
      kind: 'user' as const,
      title: '',
      schedule: '',
      values: [[`value ${Math.min(number, 1_000)}`, String(number)] as const],
    },
  });
  const asked: number[] = [];
  let turns = 0;
  const turned: number[] = [];
  const recent = (_: unknown, limit: number, before = '1001') => {
    asked.push(limit);
    turned.push(turns);
    setImmediate(() => turns++);
    const last = Number(before) - 1;
    return Promise.resolve(Array.from({ length: limit }, (_each, index) => stored(last - index)));
  };
  const directory = { byName: () => ({ status: 'member', membership: { id: peer } }) };
  const api = { directory, reports: { recent } } as unknown as AdminApi;
  const { times, series } = await seriesOf(api, 'anna', '');
  expect(times).toEqual(Array.from({ length: 300 }, (_, index) => 701 + index));
  expect(series.map(({ name }) => name)).toEqual(
    Array.from({ length: 12 }, (_, index) => `value ${701 + index}`),
  );
  expect(Math.max(...asked)).toBeLessThanOrEqual(30);
  expect(turned).toEqual(asked.map((_, index) => index));
});

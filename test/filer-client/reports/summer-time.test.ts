import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const fixture = fileURLToPath(new URL('../../fixtures/runs-of-a-day.ts', import.meta.url));

/** Day and time in UTC of each run, in a process of that time zone. */
async function runs(cron: string, from: string, to: string, zone = 'Europe/Berlin'): Promise<string[]> {
  const env = { ...process.env, TZ: zone };
  const { stdout } = await promisify(execFile)(process.execPath, [fixture, cron, from, to], { env });
  return stdout.trim().split(' ');
}

// In Berlin, 2026-03-29 goes from 02:00 to 03:00 (01:00 UTC), and 2026-10-25 from 03:00 to 02:00 (01:00 UTC).

test.each([
  ['30 2 * * *', ['28T01:30', '29T01:00', '30T00:30']],
  ['30 3 * * *', ['28T02:30', '29T01:30', '30T01:30']],
])(
  'where summer time begins, %s is run once a day, right after the hour that is left out',
  async (cron, expected) => {
    expect(await runs(cron, '2026-03-27T12:00:00Z', '2026-03-30T12:00:00Z')).toEqual(expected);
  },
);

test('where summer time ends, what is daily is run once', async () => {
  const found = await runs('30 2 * * *', '2026-10-23T12:00:00Z', '2026-10-26T12:00:00Z');
  expect(found.map((run) => run.slice(0, 2))).toEqual(['24', '25', '26']);
});

test.each([
  ['2026-03-28T23:30:00Z', '2026-03-29T04:30:00Z'],
  ['2026-10-24T22:30:00Z', '2026-10-25T03:30:00Z'],
])('what is hourly is run each hour of a changed night (from %s)', async (from, to) => {
  expect((await runs('0 * * * *', from, to)).length).toBe(5);
});

test('another time zone is another day', async () => {
  const tokyo = await runs('0 18 * * *', '2026-03-29T00:00:00Z', '2026-03-30T00:00:00Z', 'Asia/Tokyo');
  expect(tokyo).toEqual(['29T09:00']);
});

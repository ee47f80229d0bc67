import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fillPattern, INBOX_PATTERN } from '../../apps/filer-client/src/inbox-pattern.ts';
import { ArrivalStore } from '../../apps/filer-client/src/store/arrival-store.ts';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';

test.each([
  ['{peer}', 'anna'],
  ['{peer}/{date}', 'anna/2026-03-09'],
  ['in/{date}/from-{peer}', 'in/2026-03-09/from-anna'],
  ['all', 'all'],
])('the pattern %s puts what anna sends on 9 March into %s', (pattern, folder) => {
  expect(fillPattern(INBOX_PATTERN.parse(pattern), 'anna', new Date(2026, 2, 9, 23, 59, 59))).toBe(folder);
});

test.each(['', '/srv/{peer}', '..', '{peer}/../x', '{peer}/', '{group}', '{peer', '.filer-part-{peer}'])(
  'the pattern %j is refused',
  (pattern) => {
    expect(() => INBOX_PATTERN.parse(pattern)).toThrow(/refused|braces/);
  },
);

test('a transfer that continues the next day continues in the folder in which it began, another one does not', async () => {
  const home = await mkdtemp(join(tmpdir(), 'filer-pattern-'));
  onTestFinished(() => rm(home, { recursive: true }));
  const database = openDatabase(join(home, 'filer.db'));
  onTestFinished(() => database.close());
  const arrivals = new ArrivalStore(database);
  const [anna, bob] = [
    { id: 'A', name: 'anna' },
    { id: 'B', name: 'bob' },
  ];
  const on = (day: number) => (): string => fillPattern('{peer}/{date}', 'x', new Date(2026, 2, day));

  expect(arrivals.folderOf(anna, { job: 'job', note: '', beganAt: 1 }, on(9))).toBe('x/2026-03-09');
  expect(arrivals.folderOf(anna, { job: 'job', note: '', beganAt: 1 }, on(10))).toBe('x/2026-03-09');
  expect(arrivals.folderOf(anna, { job: 'next job', note: '', beganAt: 1 }, on(10))).toBe('x/2026-03-10');
  expect(arrivals.folderOf(bob, { job: 'job', note: '', beganAt: 1 }, on(10))).toBe('x/2026-03-10');
});

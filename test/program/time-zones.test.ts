import { expect, test } from 'vitest';
import { parseCron } from '@filer/program';
import { changesOf, expectRightRuns, inZone } from './time-zones.ts';

// Changes of an hour, of two, of half an hour, by night, at midnight, across midnight, and a day that there was not.
test.each([
  ['Europe/Berlin', 2026],
  ['America/New_York', 2026],
  ['Australia/Lord_Howe', 2026],
  ['Antarctica/Troll', 2026],
  ['America/Nuuk', 2026],
  ['Atlantic/Azores', 2026],
  ['America/Havana', 2026],
  ['America/Santiago', 2026],
  ['Africa/Cairo', 2024],
  ['Africa/Casablanca', 2024],
  ['Asia/Beirut', 2024],
  ['America/Sao_Paulo', 2018],
  ['Asia/Pyongyang', 2018],
  ['Asia/Kathmandu', 1985],
  ['Pacific/Apia', 2011],
])('in %s in %i each time of a line that names hours comes once a day', (zone, year) => {
  const changes = changesOf(zone, year, year + 1);
  expect(changes).not.toEqual([]);
  for (const change of changes) expectRightRuns(zone, change);
});

test('in a repeated hour a run of each second before is not looked for one by one', () => {
  const night = Date.parse('2026-10-25T01:10:00Z'); // 2:10 for the second time
  const next = inZone('Europe/Berlin', () => parseCron('* * 2 * * *').next(night));
  expect(next).toBe(Date.parse('2026-10-26T01:00:00Z'));
});

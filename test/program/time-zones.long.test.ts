import { expect, test } from 'vitest';
import { changesOf, expectRightRuns } from './time-zones.ts';

const zones = Intl.supportedValuesOf('timeZone');

test('in every time zone each time of a line that names hours comes once a day, at each change of 12 years', () => {
  const seen = new Set<string>();
  for (const zone of zones) {
    for (const change of changesOf(zone, 2020, 2032)) expectRightRuns(zone, change);
    seen.add(zone);
  }
  expect(seen.size).toBe(zones.length);
});

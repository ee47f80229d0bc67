import { expect, test } from 'vitest';
import { DeliveryTally } from '../../../apps/filer-client/src/send/delivery-tally.ts';
import type { VerifiedBefore } from '../../../apps/filer-client/src/send/verified-before.ts';

const MiB = 1024 * 1024;
const NOTHING: VerifiedBefore = { paths: new Set(), files: 0, filesInFolders: 0 };

test('content that goes again and again is progress ten times, and a file that is delivered always', () => {
  const tally = new DeliveryTally(NOTHING, 64 * MiB);
  const connection = (bytes: number): number => {
    tally.beginConnection();
    tally.endConnection(bytes, 64 * MiB);
    return tally.steps;
  };
  expect(connection(64 * MiB)).toBeLessThan(connection(32 * MiB));
  connection(600 * MiB);
  const before = tally.steps;

  expect(connection(64 * MiB)).toBe(before);
  tally.settled('/a', 'delivered', true, false);
  expect(tally.steps).toBe(before + 1);
});

test('a file whose receipt was lost is named once, and those around it not again', () => {
  const tally = new DeliveryTally(NOTHING, MiB);
  const tell = (status: 'delivered' | 'skipped', ...names: string[]): string[] =>
    names.filter((name) => tally.settled(`/set/${name}`, status, false, false));
  tally.beginConnection();
  expect(tell('delivered', 'a', 'c', 'd')).toEqual(['a', 'c', 'd']);
  tally.beginConnection();
  expect(tell('skipped', 'a', 'b', 'c', 'd')).toEqual(['b']);
  tally.beginConnection();
  expect(tell('skipped', 'a', 'b', 'c', 'd', 'e')).toEqual(['e']);
  expect(tally.counts).toMatchObject({ filesSent: 3, filesSkipped: 2 });
});

test('what earlier runs brought is not told again, whichever files it is', () => {
  const tally = new DeliveryTally({ ...NOTHING, files: 2, filesInFolders: 2 }, MiB);
  tally.beginConnection();
  const told = ['a', 'b', 'c'].filter((name) => tally.settled(name, 'skipped', false, false));
  expect(told).toHaveLength(1);
  expect(tally.counts).toMatchObject({ filesSent: 2, filesSkipped: 1 });
});

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
  tally.settled('delivered', true, false);
  expect(tally.steps).toBe(before + 1);
});

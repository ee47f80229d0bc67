import { expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { PowerCuts } from './power-cuts.ts';

const ROUNDS = 2;

test.skipIf(needs('mkfs.ext4') || needs.namespaces())(
  'what was acknowledged before a power cut is there after it',
  async () => {
    await using cuts = await PowerCuts.open();
    const work = cuts.work();
    work.catch(() => cuts.stop()); // awaited at the end
    for (let round = 0; round < ROUNDS; round++) expect(await cuts.cut()).toEqual([]);
    cuts.stop();
    await work;
  },
  60_000,
);

import { expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { PowerCuts } from './power-cuts.ts';

const ROUNDS = 50;

test.skipIf(needs('mkfs.ext4') || needs.namespaces())(
  `what was acknowledged is there after ${ROUNDS} power cuts`,
  async () => {
    await using cuts = await PowerCuts.open();
    const work = cuts.work(true);
    work.catch(() => cuts.stop()); // awaited at the end
    for (let round = 0; round < ROUNDS; round++) expect(await cuts.cut()).toEqual([]);
    cuts.stop();
    await work;
    process.stdout.write(`${ROUNDS} power cuts: ${cuts.figures}, none is lost\n`);
  },
  3_600_000, // each cut begins a server, and reads all that was acknowledged
);

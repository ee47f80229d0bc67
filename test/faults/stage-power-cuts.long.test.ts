import { expect, test } from 'vitest';
import { STEPS } from '../filer-client/stage/staged-here.ts';
import { needs } from '../support/needs.ts';
import { StagePowerCuts } from './stage-power-cuts.ts';

test.skipIf(needs('mkfs.ext4') || needs.namespaces())(
  'after a power cut at any step of a release or a rollback each name is whole, and the next start comes to its end',
  async () => {
    await using cuts = await StagePowerCuts.open();
    for (const at of STEPS) {
      expect(await cuts.cut('release', at)).toEqual([]);
      expect(await cuts.cut('rollback', at)).toEqual([]);
    }
    process.stdout.write(`${2 * STEPS.length} power cuts: nothing is lost or mixed\n`);
  },
);

import { expect, test } from 'vitest';
import { KillRounds, type Act } from './kill-rounds.ts';
import { StagedHere, STEPS } from './staged-here.ts';

test.each<Act>(['release', 'rollback'])(
  'a receiver that is killed at any step of a %s, and before any change that it makes on the disk, has all old or all new',
  async (act) => {
    await using here = await StagedHere.open(['killed']);
    const rounds = new KillRounds(here, 'killed');
    for (const step of STEPS) expect(await rounds.kill(act, step)).toEqual({ wrong: [] });
    let all: number | undefined;
    for (let number = 1; all === undefined; number++) {
      const { wrong, changes } = await rounds.kill(act, String(number));
      expect(wrong).toEqual([]);
      all = changes;
    }
    process.stdout.write(`${act}: killed at ${STEPS.length} steps and before each of ${all} changes\n`);
    expect(all).toBeGreaterThan(10);
  },
  1_200_000,
);

import { expect, test } from 'vitest';
import { runningIn } from '../support/programs.ts';
import { KillRounds } from './kill-rounds.ts';

const ROUNDS = 3;

test(`killed at a random point ${ROUNDS} times, a file or a tree arrives whole with the next try`, async () => {
  const rounds = await KillRounds.open();
  try {
    for (let round = 0; round < ROUNDS; round++) expect(await rounds.run()).toEqual([]);
  } finally {
    await rounds[Symbol.asyncDispose]();
  }
  expect(await runningIn(rounds.network.folder)).toEqual([]);
});

import { expect, test } from 'vitest';
import { ReportRounds } from './report-rounds.ts';

const ROUNDS = 40;

test(`reports with files are stored once each, in order and whole, through ${ROUNDS} kills of either side`, async () => {
  await using rounds = await ReportRounds.open();
  await rounds.network.start('anna');
  for (let round = 0; round < ROUNDS; round++) {
    const reporting = rounds.report(40);
    await rounds.kill(round % 2 === 0 ? 'server' : 'anna');
    await reporting;
  }
  await rounds.drained();

  expect(await rounds.faults()).toEqual([]);
});

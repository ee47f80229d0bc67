import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReportRounds } from './report-rounds.ts';

describe('reports with files', () => {
  let rounds: ReportRounds;
  beforeAll(async () => {
    rounds = await ReportRounds.open();
  });
  afterAll(() => rounds[Symbol.asyncDispose]());

  test('that pile up by the hundreds while the server is away are stored once each, in order, whatever is killed meanwhile', async () => {
    await rounds.network.server.stop();
    await rounds.report(400);
    await rounds.network.startAlone('anna');
    await rounds.network.startServer();
    for (const victim of ['server', 'anna', 'server', 'anna'] as const) {
      const reporting = rounds.report(25);
      await rounds.kill(victim);
      await reporting;
    }
    await rounds.drained();

    expect(rounds.made).toBe(500);
    expect(await rounds.faults()).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOf, type TestNetwork } from '../support/test-network.ts';
import { KillRounds } from './kill-rounds.ts';

const ROUNDS = 56;

describe('kills at random points, one after the other', () => {
  let rounds: KillRounds;
  let network: TestNetwork;

  beforeAll(async () => {
    rounds = await KillRounds.open();
    network = rounds.network;
  }, 120_000);
  afterAll(() => rounds[Symbol.asyncDispose]());

  test(`${ROUNDS} times: what is under a final name is whole, and the next try brings the rest`, async () => {
    for (let round = 0; round < ROUNDS; round++) expect(await rounds.run()).toEqual([]);
  });

  test('reports are stored once each, in order, though the server is killed again and again', async () => {
    let n = 0;
    for (let round = 0; round < 10; round++) {
      const reporting = (async () => {
        for (let each = 0; each < 5; each++) await network.ask('anna', 'report', `n=${n++}`);
      })();
      await network.server.stop('SIGKILL');
      await network.startServer();
      await reporting;
    }
    for (;;) {
      const [status] = await network.ask('anna', 'status');
      if (status?.['spool'] === 0) break;
    }
    const document = await network.askServer('reports');
    expect(listOf(document, 'reports').map(({ values }) => values)).toEqual(
      Array.from({ length: n }, (_, each) => ({ n: String(each) })),
    );
  });
});

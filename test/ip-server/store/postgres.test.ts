import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { storeSuite } from '../../suites/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';

describe.skipIf(needs.postgres())('PostgreSQL', () => {
  let cluster: PostgresCluster;
  let address: string;
  beforeAll(async () => {
    cluster = await PostgresCluster.start();
    address = await cluster.freshDatabase();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  storeSuite(async () => {
    await cluster.empty(address);
    const store = await openStore(address);
    onTestFinished(() => store.close());
    return store;
  });
});

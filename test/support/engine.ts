import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freshDatabase } from './postgres-cluster.ts';

/** What a server needs to know of its store: nothing for a home that has one. */
export async function storeOfHome(home: string): Promise<string | undefined> {
  const isKnown = ['ip-server.db', 'store-address'].some((name) => existsSync(join(home, name)));
  return isKnown ? undefined : await freshAddress();
}

/** `npm run test:postgres` says where its PostgreSQL is; undefined in a run on the embedded database. */
export async function freshAddress(): Promise<string | undefined> {
  const cluster = process.env['FILER_TEST_POSTGRES'];
  return cluster === undefined ? undefined : await freshDatabase(cluster);
}

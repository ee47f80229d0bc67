import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { copyOfDatabase, freshDatabase, sqlIn } from './postgres-cluster.ts';

/*
 * Tests of the ip-server run on the embedded database, and in `npm run test:postgres` on PostgreSQL: what they need of the
 * engine beside the store itself is here.
 */

/** What a server needs to know of its store: nothing for a home that has one. */
export async function storeOfHome(home: string): Promise<string | undefined> {
  const isKnown = ['ip-server.db', 'store-address', 'config.toml'].some((name) =>
    existsSync(join(home, name)),
  );
  return isKnown ? undefined : await freshAddress();
}

/** Commands that make the network of a fresh home make it where its server will look for it. */
export async function chooseStore(home: string): Promise<void> {
  const address = await freshAddress();
  if (address !== undefined)
    await writeFile(join(home, 'config.toml'), `store = ${JSON.stringify(address)}\n`);
}

/** `npm run test:postgres` says where its PostgreSQL is; undefined in a run on the embedded database. */
async function freshAddress(): Promise<string | undefined> {
  const cluster = process.env['FILER_TEST_POSTGRES'];
  return cluster === undefined ? undefined : await freshDatabase(cluster);
}

/** Where an empty store of the engine of this run is, as `openStore` takes it. */
export async function freshPlace(folder: string): Promise<string> {
  return (await freshAddress()) ?? join(folder, 'test.db');
}

/** Where the store of a home is. */
async function placeOfHome(home: string): Promise<string> {
  const file = join(home, 'store-address');
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim();
  const settings = await readFile(join(home, 'config.toml'), 'utf8').catch(() => '');
  return /^store = "(.*)"$/m.exec(settings)?.[1] ?? join(home, 'ip-server.db');
}

/** The store of a home, beside its server. */
export async function storeIn(home: string): Promise<Store> {
  return await openStore(await placeOfHome(home));
}

/** One statement in the database of a store, past the program. */
export async function sqlAt(place: string, statement: string): Promise<Record<string, unknown>[]> {
  if (place.startsWith('postgres:')) return await sqlIn(place, statement);
  using database = new DatabaseSync(place, { timeout: 5_000 });
  return database.prepare(statement).all();
}

/** The same in the store of a home. */
export async function sqlInHome(home: string, statement: string): Promise<Record<string, unknown>[]> {
  return await sqlAt(await placeOfHome(home), statement);
}

/** A copy of a home, whose server is stopped, gets a database of its own, as a backup that is restored has. */
export async function ownStore(copiedHome: string): Promise<void> {
  const place = await placeOfHome(copiedHome);
  if (place.startsWith('postgres:'))
    await writeFile(join(copiedHome, 'store-address'), `${await copyOfDatabase(place)}\n`);
}

import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FilerError, messageOf, systemCode, writeFailure } from '@filer/protocol';
import type { Home } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { parsePostgresAddress, parseStoreAddress, SQLITE } from '../store-address.ts';
import { COPYING_VALUE } from './contents.ts';
import type { Store } from './interfaces.ts';
import { integrityProblems } from './sqlite/integrity.ts';
import { openSqliteStore } from './sqlite/open.ts';

export interface StoreOptions {
  /** How long a write may block this process while another one holds an embedded database. @default 5,000 */
  readonly busyTimeoutMs?: number | undefined;
  /** File with the password of a PostgreSQL database. @default PGPASSFILE, ~/.pgpass or none */
  readonly passwordFile?: string | undefined;
  /** An answer of a PostgreSQL database that has not come by then is not awaited, in ms. @default 12,000 */
  readonly answerMs?: number | undefined;
  /** For a copy, which may find a part of itself there. @default false */
  readonly forCopy?: boolean | undefined;
}

/** Where the store of a home is: the file of an embedded database, or the address of a PostgreSQL database. */
export interface StorePlace extends Pick<StoreOptions, 'passwordFile'> {
  readonly place: string;
}

/**
 * Opens a store: which engine that is, is said here only.
 *
 * @param place the file of an embedded database, or `postgres://…`
 */
export async function openStore(place: string, options: StoreOptions = {}): Promise<Store> {
  const { forCopy = false } = options;
  const store = await openEngine(place, options);
  if (forCopy || (await store.contents?.values())?.has(COPYING_VALUE) !== true) return store;
  const { database } = store.at;
  await store.close();
  throw new FilerError(
    'store-damaged',
    `${database} holds a part of a copy that was interrupted: run the same "ip-server store copy" again`,
  );
}

async function openEngine(
  place: string,
  { busyTimeoutMs, passwordFile, answerMs }: StoreOptions,
): Promise<Store> {
  if (!isAddress(place)) return await openSqliteStore(place, busyTimeoutMs);
  // Loaded here: most servers have no use for it.
  const { openPostgresStore } = await import('./postgres/open.ts');
  return await openPostgresStore({ address: parsePostgresAddress(place), passwordFile, answerMs });
}

/** Where the store of a home is: as the settings say, else as the last start did. @throws FilerError `configuration-invalid` */
export async function storePlaceOf(
  home: Home,
  { store, storePasswordFile }: Pick<ServerSettings, 'store' | 'storePasswordFile'>,
): Promise<StorePlace> {
  const address = store ?? (await remembered(home));
  return {
    place: address === undefined || address === SQLITE ? home.databaseFile : address,
    passwordFile: storePasswordFile,
  };
}

/** How a store is. */
export interface StoreState {
  readonly engine: Store['at']['engine'];
  /** What is wrong in an embedded database, in its words. */
  readonly problems: readonly string[];
  /** How long the look took. */
  readonly ms: number;
  /** How far the clock of a database elsewhere is ahead. */
  readonly aheadMs: number | undefined;
}

/** Looks through an embedded database, which a server may use meanwhile; asks another one. @throws FilerError why it cannot be opened */
export async function checkStore({ place, passwordFile }: StorePlace): Promise<StoreState> {
  const began = performance.now();
  const problems = isAddress(place) ? [] : integrityProblems(place);
  await using store = await disposable(openEngine(place, { passwordFile }));
  await store.registry.founding();
  const databaseNow = await store.servers?.now();
  return {
    engine: store.at.engine,
    problems,
    ms: Math.round(performance.now() - began),
    aheadMs: databaseNow === undefined ? undefined : Math.round(databaseNow - Date.now()),
  };
}

async function disposable(opening: Promise<Store>): Promise<Store & AsyncDisposable> {
  const store = await opening;
  return { ...store, [Symbol.asyncDispose]: () => store.close() };
}

/** Whether there can be anything in a store: a command makes none. */
export function mayHoldAnything({ place }: StorePlace): boolean {
  return isAddress(place) || existsSync(place);
}

/**
 * A home has one network. Where it is in another store than the one that is opened, that one stays empty.
 *
 * @param home whose last start and embedded database are looked at
 * @returns the store that the last start used, where it is another one that holds something: what came there is not here
 * @throws FilerError `configuration-invalid`
 */
export async function checkLastStore(
  home: Home,
  { place }: StorePlace,
  store: Store,
): Promise<string | undefined> {
  const last = (await remembered(home)) ?? home.databaseFile;
  if (last === place || !mayHoldAnything({ place: last })) return undefined;
  const [from, to] = [last, place].map((each) => (isAddress(each) ? each : SQLITE));
  if ((await store.registry.founding()) !== undefined) return from;
  if (!isAddress(last)) {
    const embedded = await openSqliteStore(last);
    const founding = await embedded.registry.founding();
    await embedded.close();
    if (founding === undefined) return undefined;
  }
  throw new FilerError(
    'configuration-invalid',
    `the network of this home is in ${from === SQLITE ? 'its embedded database' : from}, and ${to} is empty: move it with "ip-server store copy --from ${from} --to ${to}", or start with --store ${from}`,
  );
}

/** Commands of the home find its store, and a start that is told nothing, too. @throws FilerError `home-not-writable`, `no-space` */
export async function rememberStorePlace(home: Home, { place }: StorePlace): Promise<void> {
  const file = placeFile(home);
  const known = await remembered(home);
  if (known === (isAddress(place) ? place : undefined)) return;
  try {
    if (isAddress(place)) await writeFile(file, `${place}\n`, { mode: 0o600 });
    else await rm(file, { force: true });
  } catch (error) {
    throw writeFailure(`cannot write ${file}`, file, error);
  }
}

/** Whether a server of a home was started on a database elsewhere. @throws FilerError `configuration-invalid` */
export async function hasServed(home: Home): Promise<boolean> {
  return (await remembered(home)) !== undefined;
}

async function remembered(home: Home): Promise<string | undefined> {
  const file = placeFile(home);
  try {
    return parseStoreAddress((await readFile(file, 'utf8')).trim());
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new FilerError(
      'configuration-invalid',
      `cannot read in ${file} which database this home uses (${messageOf(error)}): give it with --store or \`store =\``,
      { cause: error },
    );
  }
}

function placeFile({ databaseFile }: Home): string {
  return join(dirname(databaseFile), 'store-address');
}

export const isAddress = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

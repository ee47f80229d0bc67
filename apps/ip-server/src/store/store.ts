import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FilerError, messageOf, systemCode, writeFailure } from '@filer/protocol';
import type { Home } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { parsePostgresAddress, parseStoreAddress, SQLITE } from '../store-address.ts';
import type { Store } from './interfaces.ts';
import { openSqliteStore } from './sqlite/open.ts';

export interface StoreOptions {
  /** How long a write may block this process while another one holds an embedded database. @default 5,000 */
  readonly busyTimeoutMs?: number | undefined;
  /** File with the password of a PostgreSQL database. @default PGPASSFILE, ~/.pgpass or none */
  readonly passwordFile?: string | undefined;
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
  const { busyTimeoutMs, passwordFile } = options;
  if (!isAddress(place)) return await openSqliteStore(place, busyTimeoutMs);
  // Loaded here: most servers have no use for it.
  const { openPostgresStore } = await import('./postgres/open.ts');
  return await openPostgresStore({ address: parsePostgresAddress(place), passwordFile });
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

/** Whether there can be anything in a store: a command makes none. */
export function mayHoldAnything({ place }: StorePlace): boolean {
  return isAddress(place) || existsSync(place);
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

const isAddress = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

import { Database } from '@filer/program';
import { SCHEMA } from './schema.ts';

/** Rows of files that come are found in indexes that are larger than SQLite keeps by itself. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a home's database and brings it to the newest version. Several processes may have it open at once: a
 * daemon and commands.
 *
 * @throws FilerError `store-damaged`, `home-not-writable`, `no-space`, `timed-out`
 */
export function openDatabase(file: string): Database {
  return new Database(file, SCHEMA, { setUp: `PRAGMA cache_size = -${CACHE_KIB}` });
}

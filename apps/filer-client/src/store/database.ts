import { Database } from '@filer/program';
import { SCHEMA } from './schema.ts';

/**
 * Opens a home's database and brings it to the newest version. Several processes may have it open at once: a
 * daemon and commands.
 *
 * @throws FilerError `store-damaged`, `home-not-writable`, `no-space`, `timed-out`
 */
export function openDatabase(file: string): Database {
  return new Database(file, SCHEMA);
}

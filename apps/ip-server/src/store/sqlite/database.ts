import { Database } from '@filer/program';
import type { DatabaseRoom } from '../interfaces.ts';
import { SCHEMA } from './schema.ts';

/** Where each of some hundred machines reports, their pages of the indexes fit in; SQLite's own 2 MiB are too few. */
const CACHE_KIB = 16 * 1024;

/** Room that was freed is kept for what comes next, up to this part of the file and never less than these pages. */
const KEPT_FREE = 1 / 8;
const KEPT_FREE_PAGES = 1_000;

/** Pages of the log that are written to the file at once, and where the disk is nearly full: 16 MiB, and 1 MiB. */
const LOG_PAGES = 4_000;
const SHORT_LOG_PAGES = 250;

/** Pages given back in one step: some 10 ms. */
const GIVEN_BACK_PAGES = 250;

/** @param busyTimeoutMs how long a statement may block this process while another one holds the database */
export function openDatabase(file: string, busyTimeoutMs?: number): Database {
  return new Database(file, SCHEMA, {
    // Room that was freed can be given back; this has to be said before anything is in the file.
    setUpFile: 'PRAGMA auto_vacuum = INCREMENTAL',
    // A page that many reports change is written to the file once for all of them.
    setUp: `PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`,
    ...(busyTimeoutMs === undefined ? {} : { busyTimeoutMs }),
  });
}

/** What the embedded database takes of its disk. */
export class SqliteRoom implements DatabaseRoom {
  readonly #database: Database;
  #hasShortLog = false;

  constructor(database: Database) {
    this.#database = database;
  }

  async freeBytes(): Promise<number> {
    return this.#database.pragma('freelist_count') * this.#database.pragma('page_size');
  }

  async setShortLog(isShort: boolean): Promise<void> {
    if (isShort === this.#hasShortLog) return;
    this.#hasShortLog = isShort;
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${isShort ? SHORT_LOG_PAGES : LOG_PAGES}`);
  }

  async giveBack(): Promise<boolean> {
    const free = this.#database.pragma('freelist_count');
    const kept = Math.max(KEPT_FREE_PAGES, KEPT_FREE * this.#database.pragma('page_count'));
    if (free <= kept) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${GIVEN_BACK_PAGES})`);
    return this.#database.pragma('freelist_count') < free;
  }
}

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { FilerError, isWriteFailure, messageOf, writeFailure } from '@filer/protocol';
import { VERSIONS } from './schema.ts';

/** Another process (a command, a backup) may hold the database for this long before we give up on it. */
const BUSY_TIMEOUT_MS = 5_000;

/** Where each of some hundred machines reports, their pages of the indexes fit in; SQLite's own 2 MiB are too few. */
const CACHE_KIB = 16 * 1024;

/** What `PRAGMA auto_vacuum` says of a file that was made so. */
const INCREMENTAL = 2;

/** Room that was freed is kept for what comes next, up to this part of the file and never less than these pages. */
const KEPT_FREE = 1 / 8;
const KEPT_FREE_PAGES = 1_000;

/** Pages of the log that are written to the file at once, and where the disk is nearly full: 16 MiB, and 1 MiB. */
const LOG_PAGES = 4_000;
const SHORT_LOG_PAGES = 250;
const LOG_BYTES = 16 * 1024 * 1024;

/** Pages given back in one step: some 10 ms. */
const GIVEN_BACK_PAGES = 250;

/** The embedded database of one home: open, migrated, one writer here and any number of readers elsewhere. */
export class Database {
  readonly file: string;
  readonly #sqlite: DatabaseSync;
  #hasShortLog = false;

  /**
   * Opens the file, makes it when it is missing, and brings it to this program's version.
   *
   * @param busyTimeoutMs how long a statement may block this process while another one holds the database
   * @throws FilerError `store-damaged`, `no-space`, `home-not-writable`, `timed-out` when it stays locked
   */
  constructor(file: string, busyTimeoutMs: number = BUSY_TIMEOUT_MS) {
    this.file = file;
    this.#sqlite = this.guard(() => new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS }));
    try {
      this.guard(() => {
        // Room that was freed can be given back; this has to be said before anything is in the file.
        if (this.#pragma('user_version') === 0) this.#sqlite.exec('PRAGMA auto_vacuum = INCREMENTAL');
        // FULL: what was committed survives a power cut, and a commit is what an answer `stored` rests on.
        this.#sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
        // A page that many reports change is written to the file once for all of them.
        this.#sqlite.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${LOG_PAGES}`);
        // A log that grew while somebody read for long is cut to this again.
        this.#sqlite.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
        if (this.#migrate() && this.#pragma('auto_vacuum') !== INCREMENTAL) {
          this.#sqlite.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM');
        }
        this.#sqlite.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      });
    } catch (error) {
      this.#sqlite.close();
      throw error;
    }
  }

  /** @returns whether it was an older version's */
  #migrate(): boolean {
    if (this.#pragma('user_version') === VERSIONS.length) return false;
    return this.transaction(() => {
      // Read again under the lock: another process may have been faster.
      const version = this.#pragma('user_version');
      if (version > VERSIONS.length) {
        throw new FilerError(
          'store-damaged',
          `${this.file} was made by a newer ip-server (its version is ${version}, this program knows ${VERSIONS.length}): update ip-server`,
        );
      }
      for (const sql of VERSIONS.slice(version)) this.#sqlite.exec(sql);
      this.#sqlite.exec(`PRAGMA user_version = ${VERSIONS.length}`);
      return version > 0;
    });
  }

  /** A statement prepared once; its failures are FilerErrors. */
  prepare(sql: string): Statement {
    const statement = this.guard(() => this.#sqlite.prepare(sql));
    return {
      run: (...values) => this.guard(() => Number(statement.run(...values).changes)),
      get: (...values) => this.guard(() => statement.get(...values)),
      all: (...values) => this.guard(() => statement.all(...values)),
      iterate: (...values) => this.#iterate(statement, values),
    };
  }

  *#iterate(statement: StatementSync, values: readonly SqlValue[]): Generator<Row, void, void> {
    const rows = this.guard(() => statement.iterate(...values));
    for (;;) {
      const { value, done } = this.guard(() => rows.next());
      if (done === true) return;
      yield value;
    }
  }

  /** All of `work` or nothing. @throws FilerError what `work` throws, or why it could not be committed */
  transaction<T>(work: () => T): T {
    // IMMEDIATE: a reader that becomes a writer half-way can fail without the busy time-out.
    this.guard(() => this.#sqlite.exec('BEGIN IMMEDIATE'));
    try {
      const result = work();
      this.guard(() => this.#sqlite.exec('COMMIT'));
      return result;
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK');
      throw error;
    }
  }

  /** Room within the file that the next rows take first, in bytes. */
  get freeBytes(): number {
    return this.#pragma('freelist_count') * this.#pragma('page_size');
  }

  /** Where the disk is nearly full the log beside the file is kept short. */
  set hasShortLog(isShort: boolean) {
    if (isShort === this.#hasShortLog) return;
    this.#hasShortLog = isShort;
    const pages = isShort ? SHORT_LOG_PAGES : LOG_PAGES;
    this.guard(() => this.#sqlite.exec(`PRAGMA wal_autocheckpoint = ${pages}`));
  }

  /** Gives a step of the room that was freed back to the file system. @returns whether there is more to give */
  giveBack(): boolean {
    const free = this.#pragma('freelist_count');
    if (free <= Math.max(KEPT_FREE_PAGES, KEPT_FREE * this.#pragma('page_count'))) return false;
    this.guard(() => this.#sqlite.exec(`PRAGMA incremental_vacuum(${GIVEN_BACK_PAGES})`));
    return this.#pragma('freelist_count') < free;
  }

  #pragma(name: string): number {
    return Number(this.guard(() => this.#sqlite.prepare(`PRAGMA ${name}`).get())?.[name]);
  }

  /** May be called twice. */
  close(): void {
    if (this.#sqlite.isOpen) this.#sqlite.close();
  }

  guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(this.file, error);
    }
  }
}

export type SqlValue = null | number | string | Uint8Array;
export type Row = Readonly<Record<string, unknown>>;

export interface Statement {
  /** @returns how many rows it changed */
  run(...values: SqlValue[]): number;
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
  iterate(...values: SqlValue[]): Generator<Row, void, void>;
}

// https://sqlite.org/rescode.html, primary codes
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** A failure of the database as what it means to its owner; anything else is handed back as it is. */
function storeError(file: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('errcode' in error)) return error;
  if (isWriteFailure(error)) return writeFailure(`cannot write ${file}`, file, error);
  const why = messageOf(error);
  const options = { cause: error };
  switch (Number(error.errcode) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new FilerError(
        'timed-out',
        `another program keeps ${file} locked: end it and try again`,
        options,
      );
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new FilerError(
        'store-damaged',
        `${file} cannot be read or written (${why}): check the disk, then restore the home from a backup`,
        options,
      );
    default:
      return error; // a wrong statement of ours
  }
}

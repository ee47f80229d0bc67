import { closeSync, existsSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { FilerError, SharedRuns, systemCode } from '@filer/protocol';
import { databaseError } from './failures.ts';
import { migrate, requireOurs, type Schema } from './schema.ts';

/** Another process (a command, a backup) may hold the database for this long before a statement fails. */
const BUSY_TIMEOUT_MS = 5_000;

const syncDescriptor = promisify(fdatasync);

/** The journal may grow beyond while something reads for long; afterwards it is cut to this. */
const MAX_IDLE_JOURNAL_BYTES = 16 * 1024 * 1024;

export interface DatabaseOptions {
  /** Statements for every connection, such as the size of its cache. @default none */
  readonly setUp?: string;
  /** Statements for a new file, before anything is in it. @default none */
  readonly setUpFile?: string;
  /**
   * How long a statement may block this process while another one holds the database. Opening waits for 5 s.
   *
   * @default 5,000
   */
  readonly busyTimeoutMs?: number;
  /**
   * `NORMAL` loses the last commits in a power cut, for what can be made again.
   *
   * @default FULL: what was committed survives a power cut
   */
  readonly synchronous?: 'FULL' | 'NORMAL';
  /** Brings what a descriptor is open on to the disk. @default fdatasync */
  readonly syncData?: (descriptor: number) => Promise<void>;
}

export type SqlValue = null | number | bigint | string | Uint8Array;
export type Row = Readonly<Record<string, unknown>>;

export interface StatementOptions {
  /** Integers are `bigint`, for lists that show every row: otherwise a row with a large one cannot be read. @default false */
  readonly bigInts?: boolean;
  /** Rows have the places of their columns as keys, which is faster. @default false */
  readonly byPlace?: boolean;
}

/** Statements prepared once, by the names of their texts. */
export type Statements<Texts> = Record<keyof Texts, Statement>;

/** A statement prepared once; its failures are FilerErrors. */
export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number; readonly lastInsertRowid: number };
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
  iterate(...values: SqlValue[]): Generator<Row, void, void>;
}

/** An SQLite database of filer: open, migrated, with any number of processes at it, of which one writes at a time. */
export class Database implements Disposable {
  readonly file: string;
  readonly #schema: Schema;
  readonly #sqlite: DatabaseSync;
  readonly #synchronous: 'FULL' | 'NORMAL';
  /** Without a journal of its own beside it every commit waits for the disk. */
  readonly #hasJournal: boolean;
  readonly #syncs = new SharedRuns(() => this.#syncJournal());
  readonly #syncData: (descriptor: number) => Promise<void>;
  #journal: number | undefined;
  /** A sync failed: what the journal holds may not be on the disk, whatever a later one says. */
  #isDoubtful = false;
  /** Commits that waited for no disk: what an earlier process left in the journal counts as one. */
  #committed = 1;
  /** So many of them are on it. */
  #onDisk = 0;

  /**
   * Opens the file, makes it when it is missing, and brings it to the newest version of its schema. A file that is refused is
   * left as it is.
   *
   * @throws FilerError `store-damaged`, `no-space`, `home-not-writable`, `timed-out` when it stays locked
   */
  constructor(file: string, schema: Schema, options: DatabaseOptions = {}) {
    const { setUp = '', setUpFile = '', busyTimeoutMs = BUSY_TIMEOUT_MS } = options;
    const { synchronous = 'FULL', syncData = syncDescriptor } = options;
    this.file = file;
    this.#schema = schema;
    this.#synchronous = synchronous;
    this.#syncData = syncData;
    this.#sqlite = this.#guard(() => {
      // SQLite gives the files beside it the mode of the database itself.
      closeSync(openSync(file, 'a', 0o600));
      return new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    });
    try {
      if (requireOurs(this, schema) === 'new') this.exec(setUpFile);
      this.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
        PRAGMA journal_size_limit = ${MAX_IDLE_JOURNAL_BYTES};
        PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON; ${setUp}`);
      migrate(this, schema);
      this.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      this.#hasJournal = this.prepare('PRAGMA journal_mode').get()?.['journal_mode'] === 'wal';
    } catch (error) {
      this.close();
      throw error;
    }
  }

  prepare(sql: string, { bigInts = false, byPlace = false }: StatementOptions = {}): Statement {
    const statement = this.#guard(() => this.#sqlite.prepare(sql));
    if (bigInts) statement.setReadBigInts(true);
    if (byPlace) statement.setReturnArrays(true);
    return {
      run: (...values) =>
        this.#guard(() => {
          const { changes, lastInsertRowid } = statement.run(...values);
          return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
        }),
      get: (...values) => this.#guard(() => statement.get(...values)),
      all: (...values) => this.#guard(() => statement.all(...values)),
      iterate: (...values) => this.#iterate(statement, values),
    };
  }

  /** Prepares each statement under its name. */
  prepareAll<Name extends string>(statements: Readonly<Record<Name, string>>): Record<Name, Statement>;
  prepareAll(statements: Readonly<Record<string, string>>): Record<string, Statement> {
    return Object.fromEntries(Object.entries(statements).map(([name, sql]) => [name, this.prepare(sql)]));
  }

  *#iterate(statement: StatementSync, values: readonly SqlValue[]): Generator<Row, void, void> {
    const rows = this.#guard(() => statement.iterate(...values));
    try {
      for (;;) {
        const { value, done } = this.#guard(() => rows.next());
        if (done === true) return;
        yield value;
      }
    } finally {
      // One that is left open holds the journal.
      rows.return?.();
    }
  }

  exec(sql: string): void {
    this.#guard(() => this.#sqlite.exec(sql));
  }

  /** The value of a pragma that is a number. */
  pragma(name: string): number {
    return Number(this.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  get isTransaction(): boolean {
    return this.#sqlite.isTransaction;
  }

  /**
   * All of `work` is on the disk afterwards, or nothing. Within another transaction it is a part of that, which must not
   * continue when this fails.
   *
   * @throws FilerError what `work` throws, or why it could not be committed
   */
  transaction<T>(work: () => T): T {
    if (this.isTransaction) return work();
    // IMMEDIATE: a reader that becomes a writer half-way can fail without the busy time-out.
    this.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      // Some failures, a full disk for one, end the transaction by themselves.
      if (this.isTransaction) this.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * The same, but it waits for no disk: a power cut before the next `transaction` or the end of a `toDisk` loses it, and it
   * alone.
   */
  transactionSoon<T>(work: () => T): T {
    if (this.isTransaction) return work();
    if (!this.#hasJournal) return this.transaction(work);
    this.exec('PRAGMA synchronous = NORMAL');
    this.#committed++;
    try {
      return this.transaction(work);
    } finally {
      this.exec(`PRAGMA synchronous = ${this.#synchronous}`);
    }
  }

  /**
   * Brings what was committed before this call to the disk, while this thread does something else.
   *
   * @throws FilerError why it may not be there
   */
  toDisk(): Promise<void> {
    return this.#hasJournal && this.#onDisk < this.#committed ? this.#syncs.run() : Promise.resolve();
  }

  /** The disk gets all of the journal, as SQLite itself would bring it there, by a handle of our own. */
  async #syncJournal(): Promise<void> {
    const { isOpen } = this.#sqlite;
    const committed = this.#committed;
    try {
      if (this.#isDoubtful) this.#leaveJournal();
      this.#journal ??= openSync(`${this.file}-wal`, 'r');
      await this.#syncData(this.#journal);
      this.#onDisk = committed;
    } catch (error) {
      // The last one that closes the database leaves no journal: all of it is on the disk.
      if (!isOpen && systemCode(error) === 'ENOENT') return;
      this.#isDoubtful = true;
      throw databaseError(this.file, error, this.#schema.remedy);
    } finally {
      if (!this.#sqlite.isOpen) this.#closeJournal();
    }
  }

  /**
   * What the journal holds goes to its place in the database, and that to the disk. Nothing is left of the journal: a part of it
   * would be read over what is in the database by now.
   */
  #leaveJournal(): void {
    if (!this.#sqlite.isOpen) {
      // The last one that closes the database does the same.
      if (existsSync(`${this.file}-wal`))
        throw new FilerError(
          'home-not-writable',
          `${this.file} may not be on the disk, which failed: try again`,
        );
    } else if (this.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] !== 0)
      throw new FilerError('timed-out', `another program keeps ${this.file} locked: end it and try again`);
    this.#isDoubtful = false;
  }

  #closeJournal(): void {
    if (this.#journal !== undefined) closeSync(this.#journal);
    this.#journal = undefined;
  }

  /** May be called twice. What is on its way to the disk gets there. */
  close(): void {
    if (this.#sqlite.isOpen) this.#sqlite.close();
    if (!this.#syncs.isRunning) this.#closeJournal();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A failure of the file must not end a daemon as a bug would. */
  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw databaseError(this.file, error, this.#schema.remedy);
    }
  }
}

import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { FilerError, messageOf, type ErrorCode } from '@filer/protocol';

/** Each entry brings a database from the version that is its index to the next one. Never edit one: append. */
const MIGRATIONS = [
  `
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE peers (
    id TEXT PRIMARY KEY,
    handle INTEGER,
    name TEXT NOT NULL,
    membership TEXT NOT NULL,
    record TEXT,
    state TEXT NOT NULL DEFAULT 'lost',
    last_seen INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX peers_handle ON peers (handle);
  CREATE TABLE pins (name TEXT PRIMARY KEY, id TEXT NOT NULL, claimed_by TEXT) STRICT;
  CREATE TABLE removals (number INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT;

  CREATE TABLE spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    content BLOB NOT NULL
  ) STRICT;

  CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    received_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE inbox (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE job_recipients (
    job TEXT NOT NULL REFERENCES jobs (id),
    peer TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT,
    status TEXT NOT NULL,
    PRIMARY KEY (job, peer)
  ) STRICT;
  CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL
  ) STRICT;
  CREATE INDEX receipts_job ON receipts (job);
  `,
  // What waits for one network never goes to another one that the machine joins later.
  `ALTER TABLE spool ADD COLUMN network TEXT NOT NULL DEFAULT ''`,
  // Offers that a person is asked about; what came of a job is counted against what was shown.
  `
  CREATE TABLE offers (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    names TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    note TEXT NOT NULL,
    offered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (sender, job)
  ) STRICT;
  CREATE INDEX inbox_job ON inbox (sender, job);
  `,
  // Asked for each file that may replace another one, and for each that was there.
  `
  ALTER TABLE inbox ADD COLUMN was_there INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX inbox_path ON inbox (path, sender);
  `,
  // Folders that others may look into.
  `
  CREATE TABLE shares (
    name TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    groups TEXT NOT NULL,
    for_server INTEGER NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT;
  `,
  // Jobs that can be run again, and how each of their recipients stands.
  `
  ALTER TABLE jobs ADD COLUMN network TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN queue INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN owner_seen_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN started_at INTEGER;
  ALTER TABLE jobs ADD COLUMN finished_at INTEGER;
  ALTER TABLE job_recipients ADD COLUMN state TEXT NOT NULL DEFAULT 'interrupted';
  ALTER TABLE job_recipients ADD COLUMN files_sent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_skipped INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_kept INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_failed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN bytes_sent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN bytes_total INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN started_at INTEGER;
  ALTER TABLE job_recipients ADD COLUMN finished_at INTEGER;
  UPDATE job_recipients SET state = CASE
    WHEN code IS NOT NULL THEN 'failed'
    WHEN job IN (SELECT id FROM jobs WHERE state = 'cancelled') THEN 'cancelled'
    WHEN job IN (SELECT id FROM jobs WHERE state IN ('running', 'interrupted')) THEN 'interrupted'
    ELSE 'delivered' END;
  UPDATE jobs SET state = 'interrupted' WHERE state = 'running';
  CREATE INDEX jobs_created ON jobs (created_at);
  CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running');
  CREATE TABLE job_failures (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX job_failures_job ON job_failures (job, peer);
  ALTER TABLE receipts ADD COLUMN paths TEXT;
  `,
  // Where the files of a transfer go, whenever it goes on; and up to which row of the inbox a hook was told of them.
  `
  CREATE TABLE arrivals (
    sender TEXT NOT NULL,
    job TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    note TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    done_row INTEGER NOT NULL,
    told_row INTEGER NOT NULL,
    PRIMARY KEY (sender, job)
  ) STRICT;
  CREATE INDEX arrivals_untold ON arrivals (done_row) WHERE done_row > told_row;
  `,
  // What waits is looked at every second, be it 10,000 jobs.
  `CREATE INDEX job_recipients_waiting ON job_recipients (peer) WHERE state = 'queued'`,
  // Files that one recipient signs for again and again as they are, such as those of an unchanged tree: kept once.
  `
  CREATE TABLE receipt_lists (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    files TEXT NOT NULL,
    paths TEXT NOT NULL
  ) STRICT;
  ALTER TABLE receipts ADD COLUMN list INTEGER;
  CREATE INDEX receipts_list ON receipts (list) WHERE list IS NOT NULL;
  `,
];

/**
 * Opens a home's database and brings it to the newest version. Several processes may have it open at once: a
 * daemon and commands.
 *
 * @throws FilerError `store-damaged`, `home-not-writable`
 */
export function openDatabase(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite gives the files beside it the mode of the database itself.
    closeSync(openSync(file, 'a', 0o600));
    database = guard(new DatabaseSync(file), file);
    database.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof FilerError) throw error;
    const damaged = /malformed|not a database|corrupt/i.test(messageOf(error));
    throw damaged
      ? new FilerError(
          'store-damaged',
          `the database ${file} is damaged: move it away, filer then makes a new one`,
          {
            cause: error,
          },
        )
      : new FilerError('home-not-writable', `cannot open the database ${file}: ${messageOf(error)}`, {
          cause: error,
        });
  }
}

/** SQLite's primary result codes, as what they mean to the owner of the home. */
const FAILURES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['timed-out', 'another process holds it for too long: try again'],
  6: ['timed-out', 'another process holds it for too long: try again'],
  8: ['home-not-writable', 'it may not be written: give this user the folder'],
  10: ['home-not-writable', 'the disk failed: check it'],
  11: ['store-damaged', 'it is damaged: move it away, filer then makes a new one'],
  13: ['no-space', 'the disk is full: free some space'],
  26: ['store-damaged', 'it is damaged: move it away, filer then makes a new one'],
};

/** Every failure of the file below becomes a FilerError: a full disk must not end a daemon as a bug would. */
function guard(database: DatabaseSync, file: string): DatabaseSync {
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
      const failure = FAILURES[code];
      if (failure === undefined) throw error;
      throw new FilerError(failure[0], `the database ${file} failed: ${failure[1]}`, { cause: error });
    }
  };
  const [prepare, exec] = [database.prepare.bind(database), database.exec.bind(database)];
  database.exec = (sql) => checked(() => exec(sql));
  database.prepare = (sql) => {
    const statement = checked(() => prepare(sql));
    for (const name of ['run', 'get', 'all'] as const) {
      const original: (...values: never[]) => unknown = statement[name];
      const guarded = (...values: unknown[]): unknown =>
        checked((): unknown => Reflect.apply(original, statement, values));
      Object.defineProperty(statement, name, { value: guarded });
    }
    return statement;
  };
  return database;
}

function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version > MIGRATIONS.length) {
      throw new FilerError(
        'store-damaged',
        `the database of this home was made by a newer filer-client (its version is ${version}, this program knows ${MIGRATIONS.length}): update filer-client`,
      );
    }
    for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Runs `work` as one transaction: all of it is on disk afterwards, or nothing. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // Some failures, a full disk for one, end the transaction by themselves.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** A text column of a row of ours. */
export function text(row: Record<string, unknown>, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`the column ${column} is not a text`);
  return value;
}

/** An integer column of a row of ours. */
export function integer(row: Record<string, unknown>, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`the column ${column} is not an integer`);
  return value;
}

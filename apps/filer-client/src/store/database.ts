import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type ErrorCode, FilerError, isWriteFailure, messageOf, writeFailure } from '@filer/protocol';
import { MIGRATIONS } from './migrations.ts';

/** The journal may grow beyond while something reads for long; afterwards it is cut to this. */
const MAX_IDLE_JOURNAL_BYTES = 16 * 1024 * 1024;

/**
 * Opens a home's database and brings it to the newest version. Several processes may have it open at once: a
 * daemon and commands.
 *
 * @throws FilerError `store-damaged`, `home-not-writable`, `no-space`
 */
export function openDatabase(file: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite gives the files beside it the mode of the database itself.
    closeSync(openSync(file, 'a', 0o600));
    database = guard(new DatabaseSync(file), file);
    database.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec(`PRAGMA journal_size_limit = ${MAX_IDLE_JOURNAL_BYTES}`);
    // A row that is replaced goes as any other: what it was charged for ends.
    database.exec('PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON');
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof FilerError) throw error;
    const damaged = /malformed|not a database|corrupt/i.test(messageOf(error));
    throw damaged
      ? new FilerError(
          'store-damaged',
          `the database ${file} is damaged: move it away, and filer makes a new one`,
          {
            cause: error,
          },
        )
      : writeFailure(`cannot open the database ${file}`, file, error);
  }
}

/** SQLite's primary result codes other than those of failed writes, as what they mean to the owner of the home. */
const FAILURES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['timed-out', 'another process holds it for too long: try again'],
  6: ['timed-out', 'another process holds it for too long: try again'],
  11: ['store-damaged', 'it is damaged: move it away, filer then makes a new one'],
  26: ['store-damaged', 'it is damaged: move it away, filer then makes a new one'],
};

/** Every failure of the file below becomes a FilerError: a full disk must not end a daemon as a bug would. */
function guard(database: DatabaseSync, file: string): DatabaseSync {
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
      if (isWriteFailure(error)) throw writeFailure(`the database ${file} failed`, file, error);
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

/**
 * Runs `work` as one transaction: all of it is on disk afterwards, or nothing. Within another one it is a part of that,
 * which must not go on when this fails.
 */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  if (database.isTransaction) return work();
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

/** A statement whose rows are all shown, whatever integers they hold: by default SQLite's throws for large ones. */
export function forLists(statement: StatementSync): StatementSync {
  statement.setReadBigInts(true);
  return statement;
}

/** A text column of a row of ours. */
export function text(row: Record<string, unknown>, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`the column ${column} is not a text`);
  return value;
}

/**
 * An integer column of a row of ours. One that was read as a `bigint` and is no safe integer, such as a sum of sparse
 * files, is the nearest that is.
 */
export function integer(row: Record<string, unknown>, column: string): number {
  const value = row[column];
  if (typeof value === 'bigint') {
    const [least, most] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    return Math.max(least, Math.min(Number(value), most));
  }
  if (typeof value !== 'number') throw new Error(`the column ${column} is not an integer`);
  return value;
}

/** Another number whenever another connection has written into the database. */
export function dataVersion(database: DatabaseSync): number {
  return integer(database.prepare('PRAGMA data_version').get() ?? {}, 'data_version');
}

import { rmSync } from 'node:fs';
import { FilerError } from '@filer/protocol';
import { Database, type Schema, type Statement } from '@filer/program';
import type { DigestShelf, KnownDigest } from '@filer/transfer';

/*
 * A row for each file: `file` is its `dev:ino`, `state` the rest of its identity, `digests` both digests, 32 bytes
 * each. A row that is written again gets a new id: the smallest ids are those that were longest not needed.
 */
const SCHEMA: Schema = {
  program: 'filer-client',
  applicationId: 0x66_69_6c_64, // "fild"
  remedy: 'it is made again',
  replaceRemedy: 'it is made again',
  versions: [
    `
  CREATE TABLE digests (
    id INTEGER PRIMARY KEY,
    file TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    digests BLOB NOT NULL,
    synced INTEGER NOT NULL
  ) STRICT;
  `,
  ],
};

/** Files that are remembered: some 200 MB. */
const MAX_ROWS = 1_000_000;

/** Rows that are written in one go: some 10 ms in which nothing else happens. */
const BATCH_ROWS = 1_000;

/** How long a row waits to be written, in ms: what a crash may cost. */
const WRITE_AFTER_MS = 1_000;

/** Rows that wait while the database cannot be written. */
const MAX_WAITING = 50_000;

/** Another process writes for milliseconds. Waiting holds up everything else that this process does. */
const BUSY_TIMEOUT_MS = 50;

/**
 * Digests of files, in a database of their own: it may be deleted at any time, and what goes wrong with it costs
 * time and nothing else. A daemon and commands share it.
 */
export class DigestStore implements DigestShelf, Disposable {
  readonly #maxRows: number;
  readonly #table: DigestTable | undefined;
  /** Not written yet, oldest first. */
  readonly #waiting = new Map<string, KnownDigest>();
  #timer: NodeJS.Timeout | undefined;

  /** @param file made if missing, and made again if damaged; where neither is possible, nothing outlives this object */
  constructor(file: string, { maxRows = MAX_ROWS }: { readonly maxRows?: number } = {}) {
    this.#maxRows = maxRows;
    this.#table = DigestTable.open(file);
  }

  find(identity: string): KnownDigest | undefined {
    const waiting = this.#waiting.get(identity);
    if (waiting !== undefined) return waiting;
    const row = this.#table?.find(identity);
    if (row === undefined) return undefined;
    // One that is needed is not among the first to be forgotten.
    if (row.age > this.#maxRows / 2) this.keep(identity, row.known);
    return row.known;
  }

  keep(identity: string, known: KnownDigest): void {
    this.#waiting.delete(identity);
    this.#waiting.set(identity, known);
    if (this.#waiting.size % BATCH_ROWS === 0 && this.#table?.isReading !== true) this.#write();
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER_MS).unref();
  }

  /** One transaction for all look-ups of a batch: each would open one of its own. */
  together<T>(work: () => T): T {
    if (this.#table?.beginReading() !== true) return work();
    try {
      return work();
    } finally {
      this.#table.endReading();
    }
  }

  /** Writes what waits, as much as is written in one go. */
  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const rows = [...this.#waiting].slice(0, BATCH_ROWS);
    if (this.#table?.write(rows, this.#maxRows) === true) {
      for (const [identity] of rows) this.#waiting.delete(identity);
    }
    for (const identity of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_WAITING) break;
      this.#waiting.delete(identity);
    }
    if (this.#waiting.size > 0 && this.#table !== undefined) {
      this.#timer = setTimeout(() => this.#write(), WRITE_AFTER_MS).unref();
    }
  }

  /** Writes what waits. May be called twice. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#table?.write([...this.#waiting], this.#maxRows);
    this.#waiting.clear();
    this.#table?.close();
  }
}

/** The open database. Nothing here throws but for a bug. */
class DigestTable {
  readonly #database: Database;
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #forget: Statement;
  #newest: number;

  private constructor(file: string) {
    // After a power cut the last rows may be missing; a process that is killed loses none.
    this.#database = new Database(file, SCHEMA, { busyTimeoutMs: BUSY_TIMEOUT_MS, synchronous: 'NORMAL' });
    try {
      // Bytes as text, and rows by place: this is asked for each file, and takes half of the time so.
      this.#find = this.#database.prepare(
        'SELECT id, lower(hex(digests)), synced FROM digests WHERE file = ? AND state = ?',
        { byPlace: true },
      );
      this.#insert = this.#database.prepare(
        'INSERT OR REPLACE INTO digests (file, state, digests, synced) VALUES (?, ?, ?, ?)',
      );
      this.#forget = this.#database.prepare('DELETE FROM digests WHERE id <= ?');
      this.#newest = Number(this.#database.prepare('SELECT max(id) AS id FROM digests').get()?.['id'] ?? 0);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  static open(file: string): DigestTable | undefined {
    const open = (): DigestTable => new DigestTable(file);
    const table = attempt(open);
    if (table !== 'damaged') return table;
    attempt(() => ['', '-wal', '-shm'].forEach((suffix) => rmSync(file + suffix, { force: true })));
    const anew = attempt(open);
    return anew === 'damaged' ? undefined : anew;
  }

  find(identity: string): { readonly known: KnownDigest; readonly age: number } | undefined {
    const [file, state] = halvesOf(identity);
    const row = attempt(() => this.#find.get(file, state));
    if (row === undefined || row === 'damaged') return undefined;
    const { 0: id, 1: digests, 2: synced } = row;
    if (typeof digests !== 'string' || digests.length !== 2 * DIGEST_DIGITS) return undefined;
    const digest = `blake3:${digests.slice(0, DIGEST_DIGITS)}`;
    const blocks = `blake3:${digests.slice(DIGEST_DIGITS)}`;
    return { known: { digest, blocks, synced: synced === 1 }, age: this.#newest - Number(id) };
  }

  get isReading(): boolean {
    return this.#database.isTransaction;
  }

  /** @returns whether `endReading` is to follow: not where it reads already */
  beginReading(): boolean {
    if (this.isReading) return false;
    attempt(() => this.#database.exec('BEGIN'));
    return this.isReading;
  }

  endReading(): void {
    // Nothing was written: rolling back cannot fail where a commit might.
    if (this.isReading) attempt(() => this.#database.exec('ROLLBACK'));
  }

  /** @returns whether the rows are written: not while another process writes, or on a full disk */
  write(rows: readonly (readonly [string, KnownDigest])[], maxRows: number): boolean {
    if (rows.length === 0) return true;
    const done = attempt(() =>
      this.#database.transaction(() => {
        for (const [identity, { digest, blocks, synced }] of rows) {
          const digests = Buffer.from(digitsOf(digest) + digitsOf(blocks), 'hex');
          const row = this.#insert.run(...halvesOf(identity), digests, synced ? 1 : 0);
          this.#newest = row.lastInsertRowid;
        }
        this.#forget.run(this.#newest - maxRows);
        return true;
      }),
    );
    return done === true;
  }

  close(): void {
    this.#database.close();
  }
}

const DIGEST_DIGITS = 64;

function digitsOf(digest: string): string {
  return digest.slice('blake3:'.length);
}

/** `dev:ino`, and what changes with the file. */
function halvesOf(identity: string): [string, string] {
  const colon = identity.indexOf(':', identity.indexOf(':') + 1);
  return [identity.slice(0, colon), identity.slice(colon + 1)];
}

/** @returns undefined, or `damaged`, when the database or the file system failed */
function attempt<T>(work: () => T): T | 'damaged' | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return error.code === 'store-damaged' ? 'damaged' : undefined;
  }
}

import { integerIn, textIn, type Database, type Statements } from '@filer/program';
import { setImmediate } from 'node:timers/promises';

/** What came of one job under one name that its sender gave, as files are there now. */
export interface InboxTop {
  readonly from: string;
  readonly fromName: string;
  readonly job: string;
  /** Absolute. */
  readonly top: string;
  readonly kind: 'file' | 'folder';
  readonly files: number;
  readonly bytes: number;
  /** Of the last file. */
  readonly receivedAt: number;
  readonly note: string;
}

/** Rows that are counted in one go: others wait for some ms. */
const ROWS = 500;

/** The newest of its sender and path up to a row is what counts. */
const SQL = {
  counted: 'SELECT row FROM inbox_counted',
  next: 'SELECT max(rowid) AS row, count(*) AS rows FROM (SELECT rowid FROM inbox WHERE rowid > ? ORDER BY rowid LIMIT ?)',
  // What was counted, and has been replaced since.
  less: `UPDATE inbox_tops SET files = inbox_tops.files - gone.files, bytes = inbox_tops.bytes - gone.bytes FROM (
    SELECT sender, job, substr(path, 1, top_chars) AS top, count(*) AS files, sum(size) AS bytes FROM inbox
    WHERE state = 'received' AND rowid IN (
      SELECT (SELECT max(rowid) FROM inbox AS old WHERE old.path = new.path AND old.sender = new.sender AND old.rowid <= ?1)
      FROM (SELECT DISTINCT path, sender FROM inbox WHERE rowid > ?1 AND rowid <= ?2) AS new)
    GROUP BY 1, 2, 3) AS gone
    WHERE inbox_tops.sender = gone.sender AND inbox_tops.job = gone.job AND inbox_tops.top = gone.top`,
  more: `INSERT INTO inbox_tops
    SELECT sender, job, substr(path, 1, top_chars), count(*), sum(size), max(rowid) FROM inbox AS new
    WHERE rowid > ?1 AND rowid <= ?2 AND state = 'received' AND NOT EXISTS (
      SELECT 1 FROM inbox AS newer WHERE newer.path = new.path AND newer.sender = new.sender
        AND newer.rowid > new.rowid AND newer.rowid <= ?2)
    GROUP BY 1, 2, 3
    ON CONFLICT DO UPDATE SET files = files + excluded.files, bytes = bytes + excluded.bytes, last_row = excluded.last_row`,
  empty: 'DELETE FROM inbox_tops WHERE files <= 0',
  note: 'UPDATE inbox_counted SET row = ?',
} as const;

/**
 * The inbox by what was delivered at once. It is counted when somebody asks, from the row on up to which it was counted before: nothing is
 * paid for it while files come, and no one waits for a million of them.
 */
export class InboxTops {
  readonly #database: Database;
  readonly #statements: Statements<typeof SQL>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = database.prepareAll(SQL);
  }

  /** Counts what came since the last time. @throws FilerError of the store */
  async count(): Promise<void> {
    while (this.#countSome()) await setImmediate();
  }

  /** As it was counted, oldest first. @param limit of the newest */
  newest(limit: number): InboxTop[] {
    return this.#database
      .prepare(
        `SELECT tops.*, inbox.path, inbox.sender_name, inbox.received_at, inbox.note
         FROM inbox_tops AS tops JOIN inbox ON inbox.rowid = tops.last_row ORDER BY last_row DESC LIMIT ?`,
        { bigInts: true },
      )
      .all(limit)
      .map((row): InboxTop => ({
        from: textIn(row, 'sender'),
        fromName: textIn(row, 'sender_name'),
        job: textIn(row, 'job'),
        top: textIn(row, 'top'),
        kind: textIn(row, 'path') === textIn(row, 'top') ? 'file' : 'folder',
        files: integerIn(row, 'files'),
        bytes: integerIn(row, 'bytes'),
        receivedAt: integerIn(row, 'received_at'),
        note: textIn(row, 'note'),
      }))
      .toReversed();
  }

  /** @returns whether there is more */
  #countSome(): boolean {
    const { counted, next, less, more, empty, note } = this.#statements;
    return this.#database.transaction(() => {
      const from = integerIn(counted.get(), 'row');
      const found = next.get(from, ROWS);
      const rows = integerIn(found, 'rows');
      if (rows === 0) return false;
      const to = integerIn(found, 'row');
      less.run(from, to);
      more.run(from, to);
      empty.run();
      note.run(to);
      return rows === ROWS;
    });
  }
}

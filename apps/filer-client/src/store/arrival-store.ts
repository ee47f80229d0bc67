import type { ShareBounds } from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { MachineRoom, ROOMS } from './machine-room.ts';

/** A transfer that came to its end, and the files of it that no one was told about yet. */
export interface Arrival {
  /** The sender's id, and the name it had when the transfer began. */
  readonly from: string;
  readonly fromName: string;
  readonly job: string;
  /** Relative to the inbox. */
  readonly folder: string;
  readonly note: string;
  readonly files: number;
  readonly bytes: number;
  /** Which rows of the inbox they are: after the first, up to the last. */
  readonly afterRow: number;
  readonly lastRow: number;
}

export interface ArrivedFile {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly digest: string;
}

/** Rows that are read at once. */
const PAGE = 500;

const FILES = 'FROM inbox WHERE sender = ? AND job = ? AND rowid > ? AND rowid <= ? AND was_there = 0';

/** Transfers that came in, by sender and job: where their files go, and who was told about them. */
export class ArrivalStore {
  readonly #database: Database;

  readonly #room: MachineRoom;

  constructor(database: Database, bounds: ShareBounds = ROOMS.arrivals) {
    this.#database = database;
    this.#room = new MachineRoom(database, {
      table: 'arrivals',
      bounds,
      forgettable: 'done_row <= told_row',
    });
  }

  /** The folder of a transfer: that of its first beginning, whenever it continues. @param make the folder of a new one */
  folderOf(
    sender: { readonly id: string; readonly name: string },
    { job, note, beganAt }: { readonly job: string; readonly note: string; readonly beganAt: number },
    make: () => string,
  ): string {
    const row = this.#database
      .prepare('SELECT folder FROM arrivals WHERE sender = ? AND job = ?')
      .get(sender.id, job);
    if (row !== undefined) return textIn(row, 'folder');
    const folder = make();
    // On the disk before the first of its files is signed for.
    this.#database.transactionSoon(() => {
      this.#database
        .prepare('INSERT INTO arrivals VALUES (?, ?, ?, ?, ?, ?, 0, 0)')
        .run(sender.id, job, sender.name, folder, note, beganAt);
      this.#room.added();
    });
    return folder;
  }

  /** How many transfers of a sender came to their end that no one was told about. */
  untold(from: string): number {
    const row = this.#database
      .prepare('SELECT count(*) AS transfers FROM arrivals WHERE sender = ? AND done_row > told_row')
      .get(from);
    return integerIn(row ?? {}, 'transfers');
  }

  /** The same of all senders, and how many these are. */
  untoldOfAll(): { readonly transfers: number; readonly senders: number } {
    const row = this.#database
      .prepare(
        'SELECT count(*) AS transfers, count(DISTINCT sender) AS senders FROM arrivals WHERE done_row > told_row',
      )
      .get();
    return { transfers: integerIn(row ?? {}, 'transfers'), senders: integerIn(row ?? {}, 'senders') };
  }

  /** When a transfer began first, ms since the epoch. */
  beganAt(from: string, job: string): number | undefined {
    const row = this.#database
      .prepare('SELECT began_at FROM arrivals WHERE sender = ? AND job = ?')
      .get(from, job);
    return row === undefined ? undefined : integerIn(row, 'began_at');
  }

  /** A transfer came to its end: somebody is to be told about what it brought. */
  done(from: string, job: string): void {
    this.#database
      .prepare(
        `UPDATE arrivals SET done_row = coalesce((SELECT max(rowid) FROM inbox
           WHERE sender = arrivals.sender AND job = arrivals.job AND was_there = 0), 0)
         WHERE sender = ? AND job = ?`,
      )
      .run(from, job);
  }

  /**
   * One of those that no one was told about: the oldest of the sender who had its turn the longest ago.
   *
   * @param turnOf when a sender had its turn last, counted up; 0 for never
   */
  nextUntold(turnOf: (sender: string) => number): Arrival | undefined {
    const [row] = this.#database
      .prepare(
        'SELECT *, min(done_row) FROM arrivals WHERE done_row > told_row GROUP BY sender ORDER BY done_row',
      )
      .all()
      .toSorted((a, b) => turnOf(textIn(a, 'sender')) - turnOf(textIn(b, 'sender')));
    if (row === undefined) return undefined;
    const [from, job] = [textIn(row, 'sender'), textIn(row, 'job')];
    const [afterRow, lastRow] = [integerIn(row, 'told_row'), integerIn(row, 'done_row')];
    const sums = this.#database
      .prepare(`SELECT count(*) AS files, total(size) AS bytes ${FILES}`)
      .get(from, job, afterRow, lastRow);
    return {
      from,
      job,
      fromName: textIn(row, 'sender_name'),
      folder: textIn(row, 'folder'),
      note: textIn(row, 'note'),
      files: integerIn(sums ?? {}, 'files'),
      bytes: integerIn(sums ?? {}, 'bytes'),
      afterRow,
      lastRow,
    };
  }

  *filesOf({ from, job, afterRow, lastRow }: Arrival): Generator<ArrivedFile> {
    const page = this.#database.prepare(
      `SELECT rowid AS row, path, name, size, digest ${FILES} ORDER BY rowid LIMIT ${PAGE}`,
    );
    for (let after = afterRow; ;) {
      const rows = page.all(from, job, after, lastRow);
      for (const row of rows) {
        after = integerIn(row, 'row');
        yield {
          path: textIn(row, 'path'),
          name: textIn(row, 'name'),
          size: integerIn(row, 'size'),
          digest: textIn(row, 'digest'),
        };
      }
      if (rows.length < PAGE) return;
    }
  }

  told({ from, job, lastRow }: Arrival): void {
    this.#database
      .prepare('UPDATE arrivals SET told_row = ? WHERE sender = ? AND job = ?')
      .run(lastRow, from, job);
  }

  forgetBefore(beganAt: number): void {
    this.#database.prepare('DELETE FROM arrivals WHERE began_at < ? AND done_row <= told_row').run(beganAt);
  }
}

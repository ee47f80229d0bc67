import type { DatabaseSync } from 'node:sqlite';
import { integer, text } from './database.ts';

/** A file that came. */
export interface InboxItem {
  readonly id: string;
  readonly job: string;
  /** The sender's id, and the name it had then. */
  readonly from: string;
  readonly fromName: string;
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly digest: string;
  readonly receivedAt: number;
  readonly note: string;
  readonly state: 'received';
}

export class InboxStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  add(item: InboxItem): void {
    this.#database
      .prepare('INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        item.id,
        item.job,
        item.from,
        item.fromName,
        item.path,
        item.name,
        item.size,
        item.digest,
        item.receivedAt,
        item.note,
        item.state,
      );
  }

  /** The digest of what a sender delivered last under an absolute path. */
  deliveredDigest(from: string, path: string): string | undefined {
    const row = this.#database
      .prepare('SELECT digest FROM inbox WHERE path = ? AND sender = ? ORDER BY rowid DESC LIMIT 1')
      .get(path, from);
    return row === undefined ? undefined : text(row, 'digest');
  }

  /** What a sender delivered of a job since a time. */
  deliveredOf(from: string, job: string, since: number): { files: number; bytes: number } {
    const row = this.#database
      .prepare(
        'SELECT count(*) AS files, total(size) AS bytes FROM inbox WHERE sender = ? AND job = ? AND received_at >= ?',
      )
      .get(from, job, since);
    return { files: integer(row ?? {}, 'files'), bytes: integer(row ?? {}, 'bytes') };
  }

  /** Oldest first. */
  all(): InboxItem[] {
    return this.#database
      .prepare('SELECT * FROM inbox ORDER BY received_at, rowid')
      .all()
      .map((row) => ({
        id: text(row, 'id'),
        job: text(row, 'job'),
        from: text(row, 'sender'),
        fromName: text(row, 'sender_name'),
        path: text(row, 'path'),
        name: text(row, 'name'),
        size: integer(row, 'size'),
        digest: text(row, 'digest'),
        receivedAt: integer(row, 'received_at'),
        note: text(row, 'note'),
        state: 'received',
      }));
  }
}

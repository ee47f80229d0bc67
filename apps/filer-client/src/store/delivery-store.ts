import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { join } from 'node:path';
import type { Deliveries, Delivered } from '@filer/transfer';
import { text } from './database.ts';
import type { Writes } from './group-commit.ts';
import { Trim } from './trim.ts';

/** Paths of one sender that are remembered: with more of them, what came longest ago counts as someone else's. */
const MAX_PER_SENDER = 1_000_000;

/** The oldest are looked for after so many new ones. */
const TRIM_AFTER = 10_000;

/** What each sender delivered last under each path, wherever it went: only that is ever replaced. */
export class DeliveryStore {
  readonly #database: DatabaseSync;
  readonly #writes: Writes;
  readonly #trim: Trim;
  readonly #put: StatementSync;
  readonly #find: StatementSync;
  readonly #forget: StatementSync;
  readonly #maxPerSender: number;

  constructor(
    database: DatabaseSync,
    writes: Writes,
    { maxPerSender = MAX_PER_SENDER, trimAfter = TRIM_AFTER } = {},
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#maxPerSender = maxPerSender;
    this.#trim = new Trim(trimAfter, (sender) => this.#forget.run(sender, this.#maxPerSender));
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO deliveries (path, sender, content, mtime_ns, job) VALUES (?, ?, ?, ?, ?)',
    );
    this.#find = database.prepare(
      'SELECT content, mtime_ns, job FROM deliveries WHERE path = ? AND sender = ?',
    );
    this.#forget = database.prepare(
      `DELETE FROM deliveries WHERE sender = ?1 AND id <=
       (SELECT id FROM deliveries WHERE sender = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
    );
  }

  /** What one sender delivered below a folder. @param folder absolute */
  of(sender: string, folder: string): Deliveries {
    return {
      find: (path) => this.#found(sender, join(folder, path)),
      note: (path, delivered) =>
        this.#writes.add(() => {
          const { content, mtimeNs, job } = delivered;
          this.#put.run(join(folder, path), sender, content, mtimeNs?.toString() ?? null, job);
          this.#trim.added(sender);
        }),
    };
  }

  #found(sender: string, path: string): Delivered | undefined {
    // What was noted is found, on the disk already or not.
    if (!this.#database.isTransaction) this.#writes.flush();
    const row = this.#find.get(path, sender);
    if (row === undefined) return undefined;
    const mtimeNs = row['mtime_ns'];
    return {
      content: text(row, 'content'),
      mtimeNs: typeof mtimeNs === 'string' ? BigInt(mtimeNs) : undefined,
      job: text(row, 'job'),
    };
  }
}

import type { DatabaseSync } from 'node:sqlite';
import { text, integer } from './database.ts';

/** A signed batch as it was kept. */
export interface KeptReceipts {
  readonly job: string;
  readonly peer: string;
  /** The batch, as JSON. */
  readonly document: string;
  /** Where its files lay here, in the order of the batch; undefined in homes of old versions. */
  readonly paths: readonly string[] | undefined;
}

/** Batches that are read at once: some megabytes at most. */
const PAGE = 16;

/** The receipts that came: who holds what can be shown later. */
export class ReceiptStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @param document the signed batch, as JSON */
  add(batch: KeptReceipts, receivedAt: number): void {
    const { job, peer, document, paths = [] } = batch;
    this.#database
      .prepare('INSERT INTO receipts (job, peer, received_at, document, paths) VALUES (?, ?, ?, ?, ?)')
      .run(job, peer, receivedAt, document, JSON.stringify(paths));
  }

  /** The batches of a job in order of arrival, page by page: of one recipient, or of all. */
  *of(job: string, peer?: string): Generator<KeptReceipts, void> {
    const page = this.#database.prepare(
      'SELECT * FROM receipts WHERE job = ?1 AND (?2 IS NULL OR peer = ?2) AND id > ?3 ORDER BY id LIMIT ?4',
    );
    for (let last = 0; ;) {
      const rows = page.all(job, peer ?? null, last, PAGE);
      for (const row of rows) yield readReceipts(row);
      const end = rows.at(-1);
      if (end === undefined) return;
      last = integer(end, 'id');
    }
  }
}

function readReceipts(row: Record<string, unknown>): KeptReceipts {
  return {
    job: text(row, 'job'),
    peer: text(row, 'peer'),
    document: text(row, 'document'),
    paths: row['paths'] === null ? undefined : pathsOf(text(row, 'paths')),
  };
}

function pathsOf(json: string): string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.map(String) : [];
}

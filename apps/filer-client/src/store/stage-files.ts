import { integerIn, textIn, type Database, type Statements } from '@filer/program';
import type { StagedItem, StagedRemoval } from '@filer/transfer';

/** What was noted of a file that may not be there any more. */
export const UNSEALED = -1n;

/** Rows that are read together. */
const PAGE_ROWS = 500;

/**
 * What is in each stage, by path below its folder: `set` is of the job, `gone` what its release removes, and `before` what was
 * there when it was released, as far as the sender had delivered it.
 */
export class StageFiles {
  readonly #database: Database;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = database.prepareAll(STATEMENTS);
  }

  /** Notes what is in a stage. */
  put(stage: number, side: 'set' | 'gone', items: Iterable<readonly [path: string, item: StagedItem]>): void {
    this.#database.transaction(() => {
      for (const [path, { kind, content, size, mtimeNs }] of items)
        this.#statements.put.run(stage, side, path, kind, content, size, String(mtimeNs));
    });
  }

  /** What was noted may not be there any more. */
  unseal(stage: number): void {
    this.#statements.unseal.run(stage);
  }

  /** What was noted before and not since. */
  *unsealed(stage: number): Generator<string> {
    for (const row of this.#rows((after) => this.#statements.unsealed.all(stage, after, PAGE_ROWS)))
      yield textIn(row, 'path');
  }

  /** What was not noted since goes. */
  dropUnsealed(stage: number): void {
    this.#statements.dropUnsealed.run(stage);
  }

  /** What of a stage stands under a path. */
  item(stage: number, path: string): StagedItem | undefined {
    const row = this.#statements.item.get(stage, path);
    return row === undefined ? undefined : itemOf(row);
  }

  /** Whether its release removes something. */
  isGone(stage: number, path: string): boolean {
    return this.#statements.isGone.get(stage, path) !== undefined;
  }

  /** The files of a job, by path below its folder. */
  *listed(stage: number): Generator<{ path: string; size: number; digest: string }> {
    for (const row of this.#side(stage, 'set'))
      if (textIn(row, 'kind') === 'file')
        yield { path: textIn(row, 'path'), size: integerIn(row, 'size'), digest: textIn(row, 'content') };
  }

  /** What its release has removed, from one of them on. */
  gone(stage: number, from: number, most: number): StagedRemoval[] {
    return this.#statements.gone
      .all(stage, most, from)
      .map((row) => ({ path: textIn(row, 'path'), ...itemOf(row) }));
  }

  /** What was noted of it is forgotten. */
  clear(stage: number, side: 'set' | 'before' | 'gone'): void {
    this.#statements.clear.run(stage, side);
  }

  /** What was there before the release. */
  *before(stage: number): Generator<string> {
    for (const row of this.#side(stage, 'before')) yield textIn(row, 'path');
  }

  #side(stage: number, side: 'set' | 'before'): Generator<Row> {
    return this.#rows((after) => this.#statements.page.all(stage, side, after, PAGE_ROWS));
  }

  /** Page by page: what is read may change what it reads. @param page of rows whose paths come after one */
  *#rows(page: (after: string) => readonly Row[]): Generator<Row> {
    for (let after = ''; ;) {
      const rows = page(after);
      for (const row of rows) {
        after = textIn(row, 'path');
        yield row;
      }
      if (rows.length < PAGE_ROWS) return;
    }
  }
}

type Row = Record<string, unknown>;

const STATEMENTS = {
  put: 'INSERT OR REPLACE INTO stage_files (stage, side, path, kind, content, size, mtime_ns) VALUES (?, ?, ?, ?, ?, ?, ?)',
  unseal: "UPDATE stage_files SET mtime_ns = '-1' WHERE stage = ? AND side = 'set'",
  unsealed:
    "SELECT path FROM stage_files WHERE stage = ? AND side = 'set' AND mtime_ns = '-1' AND path > ? ORDER BY path LIMIT ?",
  dropUnsealed: "DELETE FROM stage_files WHERE stage = ? AND side = 'set' AND mtime_ns = '-1'",
  item: "SELECT * FROM stage_files WHERE stage = ? AND side = 'set' AND path = ?",
  isGone: "SELECT 1 FROM stage_files WHERE stage = ? AND side = 'gone' AND path = ?",
  page: 'SELECT * FROM stage_files WHERE stage = ? AND side = ? AND path > ? ORDER BY path LIMIT ?',
  gone: "SELECT * FROM stage_files WHERE stage = ? AND side = 'gone' ORDER BY path LIMIT ? OFFSET ?",
  clear: 'DELETE FROM stage_files WHERE stage = ? AND side = ?',
};

function itemOf(row: Record<string, unknown>): StagedItem {
  const kind = textIn(row, 'kind');
  const mtimeNs = row['mtime_ns'];
  return {
    kind: kind === 'dir' || kind === 'link' ? kind : 'file',
    content: textIn(row, 'content'),
    size: integerIn(row, 'size'),
    mtimeNs: typeof mtimeNs === 'string' ? BigInt(mtimeNs) : 0n,
  };
}

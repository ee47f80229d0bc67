import type { Row } from '@filer/program';

/** One value of a row. */
export type Cell = null | number | string | Uint8Array;

export interface Column {
  readonly name: string;
  readonly kind: 'integer' | 'text' | 'bytes';
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns of the primary key: rows are read in their order, texts by their bytes. */
  readonly key: readonly string[];
  /** Tables that its rows refer to. */
  readonly parents: readonly string[];
}

/** What single values are called that every engine has beside those of its table `meta`. */
export const SEQ_VALUE = 'seq';
/** Followed by the name of a table: the newest number that it gave to a row, also to one that has gone since. */
export const NEWEST_VALUE = 'newest ';
/** The epoch of the store that is copied into this one, until all of it is here. */
export const COPYING_VALUE = 'copying';

/**
 * All that a store holds, as rows: how a network moves from one engine to another. The engines have the same tables, column by
 * column, and give out their numbers in the same way.
 *
 * Each method is one transaction. After `clear`, `add` or `setValues` the other parts of the store may show what was there before:
 * open it again.
 */
export interface StoreContents {
  tables(): Promise<Table[]>;
  /** @param after the key of the row before them. @default from the first row */
  page(table: Table, after: readonly Cell[] | undefined, limit: number): Promise<Row[]>;
  /** The last row in the order of the key. */
  last(table: Table): Promise<Row | undefined>;
  add(table: Table, rows: readonly Row[]): Promise<void>;
  /** The single values by their names: `meta`, `SEQ_VALUE`, and `NEWEST_VALUE` of tables that number their rows. */
  values(): Promise<ReadonlyMap<string, string>>;
  /** Numbers are given from there on: no value of `NEWEST_VALUE` becomes lower than the rows that are there say. */
  setValues(values: ReadonlyMap<string, string>): Promise<void>;
  dropValue(name: string): Promise<void>;
  /** Removes all rows, and all values but `COPYING_VALUE`. */
  clear(): Promise<void>;
  /**
   * Keeps servers out until it is disposed of, where another machine can reach the store.
   *
   * @throws FilerError `already-running` while a server uses it
   */
  reserve(): Promise<AsyncDisposable>;
}

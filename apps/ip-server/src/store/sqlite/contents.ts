import { integerIn, textIn, type Database, type Row } from '@filer/program';
import {
  COPYING_VALUE,
  NEWEST_VALUE,
  type Cell,
  type Column,
  type StoreContents,
  type Table,
} from '../contents.ts';

/** All rows of the embedded database. The position of the directory is one of its single values. */
export class SqliteContents implements StoreContents {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async tables(): Promise<Table[]> {
    const names = this.#all(TABLE_NAMES).map((row) => textIn(row, 'name'));
    return names.map((name) => {
      const columns = this.#all('SELECT name, type, pk FROM pragma_table_info(?)', name);
      const key = columns
        .filter((row) => integerIn(row, 'pk') > 0)
        .toSorted((a, b) => integerIn(a, 'pk') - integerIn(b, 'pk'));
      const parents = this.#all('SELECT "table" AS name FROM pragma_foreign_key_list(?)', name);
      const [nameOf] = [(row: Row) => textIn(row, 'name')];
      return {
        name,
        columns: columns.map((row) => ({ name: nameOf(row), kind: KINDS[textIn(row, 'type')] ?? 'text' })),
        key: key.map(nameOf),
        parents: parents.map(nameOf),
      };
    });
  }

  async page({ name, key }: Table, after: readonly Cell[] | undefined, limit: number): Promise<Row[]> {
    const order = key.join(', ');
    const from = after === undefined ? '' : `WHERE (${order}) > (${places(key)})`;
    return this.#all(`SELECT * FROM ${name} ${from} ORDER BY ${order} LIMIT ?`, ...(after ?? []), limit);
  }

  async last({ name, key }: Table): Promise<Row | undefined> {
    const order = key.map((column) => `${column} DESC`).join(', ');
    return this.#all(`SELECT * FROM ${name} ORDER BY ${order} LIMIT 1`)[0];
  }

  async add({ name, columns }: Table, rows: readonly Row[]): Promise<void> {
    const names = columns.map((column) => column.name);
    const insert = this.#database.prepare(
      `INSERT INTO ${name} (${names.join(', ')}) VALUES (${places(names)})`,
    );
    this.#database.transaction(() => {
      for (const row of rows) insert.run(...columns.map((column) => cellIn(row, column)));
    });
  }

  async values(): Promise<ReadonlyMap<string, string>> {
    const newest = this.#all('SELECT name, seq FROM sqlite_sequence');
    return new Map([
      ...this.#all('SELECT key, value FROM meta').map(
        (row) => [textIn(row, 'key'), textIn(row, 'value')] as const,
      ),
      ...newest.map(
        (row) => [`${NEWEST_VALUE}${textIn(row, 'name')}`, String(integerIn(row, 'seq'))] as const,
      ),
    ]);
  }

  async setValues(values: ReadonlyMap<string, string>): Promise<void> {
    const numbered = new Set(this.#all(NUMBERED).map((row) => textIn(row, 'name')));
    this.#database.transaction(() => {
      for (const [key, value] of values) {
        const table = key.startsWith(NEWEST_VALUE) ? key.slice(NEWEST_VALUE.length) : undefined;
        if (table === undefined) this.#run(SET_VALUE, key, value);
        else if (numbered.has(table)) this.#setNewest(table, Number(value));
      }
    });
  }

  /** SQLite itself has noted the newest row that was added. */
  #setNewest(table: string, newest: number): void {
    const raise = 'UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?';
    if (this.#run(raise, newest, table) === 0)
      this.#run('INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)', newest, table);
  }

  async dropValue(name: string): Promise<void> {
    this.#run('DELETE FROM meta WHERE key = ?', name);
  }

  async clear(): Promise<void> {
    const names = (await this.tables()).map(({ name }) => name);
    this.#database.transaction(() => {
      // Rows that refer to others go first: tables are made after those that they refer to.
      for (const name of names.toReversed()) this.#run(`DELETE FROM ${name}`);
      this.#run('DELETE FROM meta WHERE key <> ?', COPYING_VALUE);
      this.#run('DELETE FROM sqlite_sequence');
    });
  }

  /** The home's lock keeps servers out. */
  async reserve(): Promise<AsyncDisposable> {
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }

  #all(sql: string, ...values: Cell[]): Row[] {
    return this.#database.prepare(sql).all(...values);
  }

  #run(sql: string, ...values: Cell[]): number {
    return this.#database.prepare(sql).run(...values).changes;
  }
}

function cellIn(row: Row, { name, kind }: Column): Cell {
  const value = row[name];
  if (value === null) return null;
  if (kind === 'bytes' && value instanceof Uint8Array) return value;
  return kind === 'integer' ? integerIn(row, name) : textIn(row, name);
}

const places = (names: readonly string[]): string => names.map(() => '?').join(', ');

const KINDS: Readonly<Record<string, Column['kind']>> = { INTEGER: 'integer', TEXT: 'text', BLOB: 'bytes' };

const TABLE_NAMES = `
  SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`;
const NUMBERED = `SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'`;
const SET_VALUE =
  'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value';

import { FilerError } from '@filer/protocol';
import { integerIn, textIn, type Row } from '@filer/program';
import {
  COPYING_VALUE,
  NEWEST_VALUE,
  SEQ_VALUE,
  type Cell,
  type Column,
  type StoreContents,
  type Table,
} from '../contents.ts';
import { COPY_LOCK, SCHEMA_NAME, type SqlValue } from './connections.ts';
import type { PostgresDatabase } from './database.ts';
import { placeOf } from './failures.ts';

/** All rows of the tables of filer in PostgreSQL; `counters` are single values. */
export class PostgresContents implements StoreContents {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async tables(): Promise<Table[]> {
    const byName = Map.groupBy(await this.#database.all(COLUMNS, [...OWN_TABLES]), (row) =>
      textIn(row, 'name'),
    );
    const parents = Map.groupBy(await this.#database.all(PARENTS), (row) => textIn(row, 'name'));
    return [...byName].map(([name, rows]) => ({
      name,
      columns: rows.map((row) => ({ name: textIn(row, 'column'), kind: kindOf(textIn(row, 'type')) })),
      key: rows
        .filter((row) => row['place'] !== null)
        .toSorted((a, b) => integerIn(a, 'place') - integerIn(b, 'place'))
        .map((row) => textIn(row, 'column')),
      parents: (parents.get(name) ?? []).map((row) => textIn(row, 'parent')),
    }));
  }

  async page({ name, key }: Table, after: readonly Cell[] | undefined, limit: number): Promise<Row[]> {
    const order = key.join(', ');
    const from =
      after === undefined ? '' : `WHERE (${order}) > (${key.map((_, at) => `$${at + 2}`).join(', ')})`;
    const values = (after ?? []).map(valueOf);
    return await this.#database.all(
      `SELECT * FROM ${name} ${from} ORDER BY ${order} LIMIT $1`,
      limit,
      ...values,
    );
  }

  async last({ name, key }: Table): Promise<Row | undefined> {
    const order = key.map((column) => `${column} DESC`).join(', ');
    return await this.#database.get(`SELECT * FROM ${name} ORDER BY ${order} LIMIT 1`);
  }

  async add({ name, columns }: Table, rows: readonly Row[]): Promise<void> {
    const lists = columns.map(({ kind }, at) => `$${at + 1}::${TYPES[kind]}[]`);
    await this.#database.run(
      `INSERT INTO ${name} (${columns.map((column) => column.name).join(', ')}) OVERRIDING SYSTEM VALUE
       SELECT * FROM unnest(${lists.join(', ')})`,
      ...columns.map((column) => rows.map((row) => singleIn(row, column))),
    );
  }

  async values(): Promise<ReadonlyMap<string, string>> {
    const values = new Map<string, string>();
    for (const row of await this.#database.all('SELECT key, value FROM meta'))
      values.set(textIn(row, 'key'), textIn(row, 'value'));
    for (const row of await this.#database.all('SELECT name, value FROM counters'))
      values.set(counterValue(textIn(row, 'name')), String(integerIn(row, 'value')));
    for (const row of await this.#database.all(NUMBERED)) {
      const { newest } = row;
      if (newest !== null)
        values.set(`${NEWEST_VALUE}${textIn(row, 'name')}`, String(integerIn(row, 'newest')));
    }
    return values;
  }

  async setValues(values: ReadonlyMap<string, string>): Promise<void> {
    await this.#database.transaction(async (queries) => {
      for (const [key, value] of values) {
        const counter = COUNTERS.find((name) => counterValue(name) === key);
        if (counter !== undefined)
          await queries.run('UPDATE counters SET value = $2 WHERE name = $1', counter, Number(value));
        else if (!key.startsWith(NEWEST_VALUE)) await queries.run(SET_VALUE, key, value);
      }
      for (const row of await queries.all(NUMBERED)) {
        const [name, column] = [textIn(row, 'name'), textIn(row, 'column')];
        const newest = Number(values.get(`${NEWEST_VALUE}${name}`) ?? 0);
        await queries.run(
          `SELECT setval($1::text::regclass, n) FROM (SELECT greatest($2, max(${column})) AS n FROM ${name}) AS newest WHERE n > 0`,
          ...[textIn(row, 'sequence'), newest],
        );
      }
    });
  }

  async dropValue(name: string): Promise<void> {
    await this.#database.run('DELETE FROM meta WHERE key = $1', name);
  }

  async clear(): Promise<void> {
    const names = (await this.tables()).map(({ name }) => name);
    await this.#database.transaction(async (queries) => {
      await queries.run(`TRUNCATE ${names.join(', ')} RESTART IDENTITY`);
      await queries.run('DELETE FROM meta WHERE key <> $1', COPYING_VALUE);
      await queries.run('UPDATE counters SET value = 0');
    });
  }

  async reserve(): Promise<AsyncDisposable> {
    const { connections } = this.#database;
    const where = placeOf(connections.address);
    // One of its own, which is open as long as the copy runs: the lock goes with it.
    await connections.leaveToCopy();
    const client = await connections.open();
    const end = async (): Promise<void> => await client.end().catch(() => undefined);
    try {
      const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [
        COPY_LOCK,
      ]);
      const others = await client.query<{ count: number }>(OTHERS);
      if (rows[0]?.free !== true || (others.rows[0]?.count ?? 0) > 0) {
        throw new FilerError(
          'already-running',
          `${where} is in use by an ip-server or one of its commands: stop all servers of this database first`,
        );
      }
    } catch (error) {
      await end();
      throw error;
    }
    return { [Symbol.asyncDispose]: end };
  }
}

/** The last three, and `OWN_COLUMNS`, are what running servers know of each other. */
const OWN_TABLES: ReadonlySet<string> = new Set([
  ...['meta', 'counters', 'version'],
  ...['servers', 'timers', 'mailbox'],
]);

const OWN_COLUMNS = `('members', 'server'), ('uploads', 'server'), ('collect_deliveries', 'server'),
  ('collect_deliveries', 'receiving'), ('collect_deliveries', 'changed_at')`;

/** Single values that are counters here: the position of the directory, and the number of the newest report. */
const COUNTERS = ['seq', 'report'] as const;
const counterValue = (name: string): string => (name === 'report' ? `${NEWEST_VALUE}reports` : SEQ_VALUE);

const TYPES: Readonly<Record<Column['kind'], string>> = { integer: 'bigint', text: 'text', bytes: 'bytea' };

function kindOf(type: string): Column['kind'] {
  return type === 'bytea' ? 'bytes' : type.startsWith('int') ? 'integer' : 'text';
}

function singleIn(row: Row, { name, kind }: Column): null | number | string | Buffer {
  const value = row[name];
  if (value === null) return null;
  if (kind === 'bytes' && value instanceof Uint8Array) return Buffer.from(value);
  return kind === 'integer' ? integerIn(row, name) : textIn(row, name);
}

const valueOf = (cell: Cell): SqlValue => (cell instanceof Uint8Array ? Buffer.from(cell) : cell);

const COLUMNS = `
  SELECT c.relname::text AS name, a.attname::text AS column, coalesce(base.typname, t.typname)::text AS type,
    array_position(i.indkey::int2[], a.attnum) AS place
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type base ON base.oid = t.typbasetype
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relnamespace = '${SCHEMA_NAME}'::regnamespace AND c.relkind = 'r' AND c.relname <> ALL ($1::text[])
    AND (c.relname, a.attname) NOT IN (${OWN_COLUMNS})
  ORDER BY c.oid, a.attnum`;
const PARENTS = `
  SELECT c.relname::text AS name, p.relname::text AS parent
  FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
  WHERE f.contype = 'f' AND f.connamespace = '${SCHEMA_NAME}'::regnamespace`;
const NUMBERED = `
  SELECT c.relname::text AS name, a.attname::text AS column, s.seq AS sequence, pg_sequence_last_value(s.seq::regclass) AS newest
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> '',
    LATERAL (SELECT pg_get_serial_sequence('${SCHEMA_NAME}.' || c.relname, a.attname) AS seq) AS s
  WHERE c.relnamespace = '${SCHEMA_NAME}'::regnamespace AND c.relname <> 'mailbox'`;
const SET_VALUE =
  'INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value';
const OTHERS = `
  SELECT count(*)::int AS count FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'ip-server %'
    AND application_name <> current_setting('application_name')`;

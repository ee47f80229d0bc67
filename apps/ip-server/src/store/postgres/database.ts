import { Semaphore } from '@filer/protocol';
import type { Row } from '@filer/program';
import {
  Connections,
  type Answer,
  type Connection,
  type PostgresPlace,
  type SqlValue,
} from './connections.ts';

/** A connection that is cut meanwhile ends by the keep-alive of TCP. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Names under which statements are prepared at each connection: the texts of this program are few. */
const names = new Map<string, string>();

/** Statements that have values by number as SQLite has them, with values by number as PostgreSQL has them. */
export function numbered<Name extends string>(
  statements: Readonly<Record<Name, string>>,
): Record<Name, string>;
export function numbered(statements: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(statements);
  return Object.fromEntries(entries.map(([name, sql]) => [name, sql.replaceAll(/\?(?=\d)/g, '$')]));
}

/** Statements of one transaction, or each in its own. */
export class Queries {
  readonly #ask: (sql: string, values: readonly SqlValue[]) => Promise<Answer>;

  constructor(ask: (sql: string, values: readonly SqlValue[]) => Promise<Answer>) {
    this.#ask = ask;
  }

  async all(sql: string, ...values: SqlValue[]): Promise<Row[]> {
    return (await this.#ask(sql, values)).rows;
  }

  async get(sql: string, ...values: SqlValue[]): Promise<Row | undefined> {
    return (await this.#ask(sql, values)).rows[0];
  }

  /** @returns how many rows it changed */
  async run(sql: string, ...values: SqlValue[]): Promise<number> {
    return (await this.#ask(sql, values)).rowCount ?? 0;
  }
}

/** A PostgreSQL database of filer, which several servers share. */
export class PostgresDatabase extends Queries {
  readonly connections: Connections;

  /** @param newestVersion of the tables that this program knows */
  constructor(place: PostgresPlace, newestVersion: number) {
    const connections = new Connections(place, newestVersion);
    super((sql, values) => connections.use((connection) => ask(connection, sql, values)));
    this.connections = connections;
  }

  /**
   * All of `work` is stored afterwards, or nothing.
   *
   * @param askedAt by `performance.now()`; since when it waits
   * @throws FilerError what `work` throws, or why it could not be committed; after a lost connection it may be stored
   */
  transaction<T>(work: (queries: Queries) => Promise<T>, askedAt?: number): Promise<T> {
    return this.#transaction(work, askedAt);
  }

  /** As `transaction`, with statements that take as long as they need: a table that is changed may be large. */
  longTransaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const withoutLimit = async (queries: Queries): Promise<T> => {
      await queries.run('SET LOCAL statement_timeout = 0');
      return await work(queries);
    };
    return this.#transaction(withoutLimit, undefined, LONGEST_TIMER_MS);
  }

  /** @param answerMs of each statement, other than that of all */
  #transaction<T>(
    work: (queries: Queries) => Promise<T>,
    askedAt: number | undefined,
    answerMs?: number,
  ): Promise<T> {
    return this.connections.use(async (connection) => {
      await connection.query({ text: 'BEGIN' });
      try {
        const result = await work(new Queries((sql, values) => ask(connection, sql, values, answerMs)));
        await connection.query({ text: 'COMMIT' });
        return result;
      } catch (error) {
        // A connection that failed has rolled back.
        if (!connection.isBroken)
          await connection.query({ text: 'ROLLBACK' }).catch(() => (connection.isBroken = true));
        throw error;
      }
    }, askedAt);
  }

  /**
   * Transactions that all servers make one after the other. Those of this one are made in the order in which they were begun, and
   * take one connection.
   */
  inTurn(): PostgresDatabase['transaction'] {
    const turns = new Semaphore(1);
    return (work, askedAt = performance.now()) => turns.take(() => this.transaction(work, askedAt));
  }

  close(): Promise<void> {
    return this.connections.close();
  }
}

async function ask(
  connection: Connection,
  sql: string,
  values: readonly SqlValue[],
  answerMs?: number,
): Promise<Answer> {
  let name = names.get(sql);
  if (name === undefined) names.set(sql, (name = `filer_${names.size}`));
  const limit = answerMs === undefined ? {} : { query_timeout: answerMs };
  return await connection.query({ name, text: sql, values: values.map(sayable), ...limit });
}

/** PostgreSQL has no text with a NUL in it, and what another machine says may have one. */
function sayable(value: SqlValue): SqlValue {
  if (typeof value === 'string') return withoutNul(value);
  return isList(value) ? value.map((each) => (typeof each === 'string' ? withoutNul(each) : each)) : value;
}

function isList(value: SqlValue): value is Extract<SqlValue, readonly unknown[]> {
  return Array.isArray(value);
}

function withoutNul(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}

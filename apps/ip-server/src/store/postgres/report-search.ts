import { integerIn, type Row } from '@filer/program';
import { reportOf } from '../report-rows.ts';
import type { RecentReports, ReportQuery, StoredReport } from '../report-store.ts';
import type { SqlValue } from './connections.ts';
import type { PostgresDatabase } from './database.ts';

/** Reports of one page, each read in a transaction of its own: a reader that takes its time holds nothing back. */
const PAGE = 256;

const SELECT = `
  SELECT reports.number, peers.id AS peer, spools.spool AS spool, reports.seq, kind, time, received_at, content
  FROM reports JOIN spools ON spools.number = reports.spool JOIN peers ON peers.number = reports.peer`;

/** Conditions of a WHERE clause with what they are asked with. */
interface Conditions {
  readonly sql: readonly string[];
  readonly values: readonly SqlValue[];
}

/** Finds reports: each filter has its index, and memory stays flat however many are found. */
export class ReportSearch {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async one(number: number): Promise<StoredReport | undefined> {
    const row = await this.#database.get(`${SELECT} WHERE reports.number = $1`, number);
    return row === undefined ? undefined : reportOf(row);
  }

  async newest(): Promise<number | undefined> {
    const row = await this.#database.get('SELECT max(number) AS last FROM reports');
    return typeof row?.['last'] === 'number' ? row['last'] : undefined;
  }

  async *all(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    const last = await this.newest();
    if (last === undefined) return;
    const { sql, values } = conditionsOf(query, 2);
    for (let from = Number(query.after ?? 0); ;) {
      const page = await this.#database.all(
        `${SELECT} WHERE ${['reports.number > $1', 'reports.number <= $2', ...sql].join(' AND ')}
        ORDER BY reports.number LIMIT ${PAGE}`,
        ...[from, last, ...values],
      );
      if (page.length > 0) yield page.map(reportOf);
      if (page.length < PAGE) return;
      from = integerIn(page.at(-1), 'number');
    }
  }

  async recent(of: RecentReports, limit: number, before: number): Promise<StoredReport[]> {
    const { peer, schedule } = of;
    const { sql, values } = conditionsOf({ peers: peer === undefined ? undefined : [peer], schedule }, 2);
    const rows = await this.#database.all(
      `${SELECT} WHERE ${['reports.number < $1', ...sql].join(' AND ')} ORDER BY reports.number DESC LIMIT $2`,
      ...[before, limit, ...values],
    );
    return rows.map(reportOf);
  }

  async *latest(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    const { sql, values } = conditionsOf(query, 1);
    const newest = await this.#database.all(
      `SELECT max(reports.number) AS number FROM reports JOIN peers ON peers.number = reports.peer
      WHERE ${['reports.number > $1', ...sql].join(' AND ')} GROUP BY peer, schedule`,
      ...[Number(query.after ?? 0), ...values],
    );
    const numbers = newest.map((row) => integerIn(row, 'number')).toSorted((a, b) => a - b);
    for (let first = 0; first < numbers.length; first += PAGE) {
      // Fewer where the retention has just dropped some.
      const rows: Row[] = await this.#database.all(
        `${SELECT} WHERE reports.number = ANY ($1::bigint[]) ORDER BY reports.number`,
        numbers.slice(first, first + PAGE),
      );
      yield rows.map(reportOf);
    }
  }
}

/** @param before values that stand before these */
function conditionsOf(
  { peers, since, until, title, schedule, kind }: ReportQuery,
  before: number,
): Conditions {
  const given: [sql: (place: string) => string, value: SqlValue | undefined][] = [
    [(place) => `peers.id = ANY (${place}::text[])`, peers],
    [(place) => `received_at >= ${place}`, since],
    [(place) => `received_at < ${place}`, until],
    // What an empty title matches, every title does.
    [
      (place) => `title <> '' AND title LIKE ${place}`,
      title === undefined || !/[^*]/.test(title) ? undefined : likeOf(title),
    ],
    [
      (place) => (schedule === '' ? `schedule = ${place}` : `schedule = ${place} AND schedule <> ''`),
      schedule,
    ],
    [(place) => (kind === 'user' ? `kind = 'user' AND kind = ${place}` : `kind = ${place}`), kind],
  ];
  const used = given.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, value }]));
  return {
    sql: used.map(({ sql }, index) => sql(`$${before + index + 1}`)),
    values: used.map(({ value }) => value),
  };
}

/** Only `*` and `?` mean something. */
function likeOf(pattern: string): string {
  return pattern
    .replaceAll(/[\\%_]/g, '\\$&')
    .replaceAll('*', '%')
    .replaceAll('?', '_');
}

import { integerIn, textIn, type Database, type Row, type SqlValue, type Statement } from '@filer/program';
import { reportOf } from '../report-rows.ts';
import type { RecentReports, ReportQuery, StoredReport } from '../report-store.ts';
import { PeerNumbers } from './peer-numbers.ts';

/**
 * Rows are read by pages, each in a transaction of its own: a reader that takes its time over an open one would keep
 * the write-ahead log from being used again, and it would grow for as long.
 */
const PAGE_ROWS = 256;
const SMALLEST_PAGE_ROWS = 16;

/** So many indexes are read side by side at most; above that reading every row is not much slower. */
const MAX_STREAMS = 256;

/** A title pattern is looked up title by title while there are not more different ones than this. */
const MAX_TITLES = 10_000;

/** @param how which index is to be used */
const selectReports = (how: string): string => `
  SELECT reports.number, peers.id AS peer, spools.spool AS spool, seq, kind, time, received_at, content
  FROM reports ${how}
    CROSS JOIN spools ON spools.number = reports.spool
    CROSS JOIN peers ON peers.number = reports.peer`;

/** A condition of a WHERE clause with what it is asked with. */
interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Numbers of a machine and the name of a schedule. */
type Series = readonly [peer: number, schedule: string];

/** Reports that one index gives in the order of their numbers. */
interface Stream {
  /** INDEXED BY … or NOT INDEXED: without statistics SQLite cannot know which one is the shortest. */
  readonly how: string;
  readonly where: readonly Condition[];
}

/** What is asked for, in the store's own numbers. */
interface Wanted {
  readonly first: number;
  readonly last: number;
  readonly peers: readonly number[] | undefined;
  readonly schedule: string | undefined;
  readonly title: string | undefined;
  readonly byHand: boolean;
  /** What only the row tells. */
  readonly rest: readonly Condition[];
}

/** Finds reports among millions: each filter has its index, and memory stays flat however many are found. */
export class ReportSearch {
  readonly #database: Database;
  readonly #peers: PeerNumbers;
  readonly #one: Statement;
  readonly #newestOf: Statement;
  readonly #received: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#peers = new PeerNumbers(database);
    this.#one = database.prepare(`${selectReports('')} WHERE reports.number = ?`);
    this.#newestOf = database.prepare('SELECT max(number) AS last FROM reports');
    this.#received = database.prepare(`
      SELECT min(number) AS first, max(number) AS last FROM reports INDEXED BY reports_received
      WHERE received_at >= ? AND received_at < ? AND number >= ?`);
  }

  one(number: number): StoredReport | undefined {
    const row = this.#one.get(number);
    return row === undefined ? undefined : reportOf(row);
  }

  newest(): number | undefined {
    const last = this.#newestOf.get()?.['last'];
    return typeof last === 'number' ? last : undefined;
  }

  *all(query: ReportQuery): Generator<StoredReport, void, void> {
    const wanted = this.#wanted(query);
    if (wanted === undefined) return;
    const streams = this.#streams(wanted);
    const rows = Math.max(SMALLEST_PAGE_ROWS, Math.ceil(PAGE_ROWS / Math.max(1, streams.length)));
    const pages = streams.map((stream) => this.#read(stream, wanted, rows));
    for (const row of byNumber(pages)) yield reportOf(row);
  }

  *latest(query: ReportQuery): Generator<StoredReport, void, void> {
    const wanted = this.#wanted(query);
    if (wanted === undefined) return;
    const numbers = wanted.title === undefined ? this.#newest(wanted) : this.#newestTitled(wanted);
    for (const number of numbers.toSorted((a, b) => a - b)) {
      const report = this.one(number);
      // Undefined: the retention has just dropped it.
      if (report !== undefined) yield report;
    }
  }

  /** The newest of each series come from its index, so that it costs the same however many there are. */
  recent({ peer, schedule }: RecentReports, limit: number, before: number): StoredReport[] {
    if (peer === undefined) {
      return this.#database
        .prepare(
          `${selectReports('NOT INDEXED')} WHERE reports.number < ? ORDER BY reports.number DESC LIMIT ?`,
        )
        .all(before, limit)
        .map(reportOf);
    }
    const number = this.#peers.find(peer);
    if (number === undefined) return [];
    const newest = this.#database.prepare(`
      SELECT number FROM reports INDEXED BY reports_of_series
      WHERE peer = ? AND schedule = ? AND number < ? ORDER BY number DESC LIMIT ?`);
    const numbers = [...this.#eachSeries([number], schedule)].flatMap((series) =>
      newest.all(...series, before, limit).map((row) => integerIn(row, 'number')),
    );
    return numbers
      .toSorted((a, b) => b - a)
      .slice(0, limit)
      .flatMap((each) => this.one(each) ?? []);
  }

  /** @returns undefined when there can be none */
  #wanted({ peers, since, until, title, schedule, kind, after }: ReportQuery): Wanted | undefined {
    const bounds = this.#bounds(since, until, after);
    if (bounds === undefined) return undefined;
    const rest: Condition[] = [];
    if (since !== undefined) rest.push({ sql: 'received_at >= ?', values: [since] });
    if (until !== undefined) rest.push({ sql: 'received_at < ?', values: [until] });
    if (kind !== undefined) rest.push({ sql: '+kind = ?', values: [kind] });
    return {
      ...bounds,
      peers: peers?.flatMap((id) => this.#peers.find(id) ?? []),
      schedule,
      // What an empty title matches, every title does.
      title: title !== undefined && /[^*]/.test(title) ? title : undefined,
      byHand: kind === 'user',
      rest,
    };
  }

  /** The first and the last number that can have been received in that time. A clock that jumps only widens them. */
  #bounds(
    since: number | undefined,
    until: number | undefined,
    after: string | undefined,
  ): { first: number; last: number } | undefined {
    const newest = this.newest();
    if (newest === undefined) return undefined;
    const first = after === undefined ? 1 : Number(after) + 1;
    if (since === undefined && until === undefined) return { first, last: newest };
    const received = this.#received.get(since ?? 0, until ?? Number.MAX_SAFE_INTEGER, first);
    if (typeof received?.['first'] !== 'number') return undefined;
    return { first: received['first'], last: integerIn(received, 'last') };
  }

  /** The shortest indexes that hold all that is wanted; what they do not tell is looked for in their rows. */
  #streams(wanted: Wanted): Stream[] {
    const { peers, schedule, title, byHand, rest } = wanted;
    const ofPeers =
      peers === undefined
        ? []
        : [{ sql: '+reports.peer IN (SELECT value FROM json_each(?))', values: [JSON.stringify(peers)] }];
    const ofSchedule = schedule === undefined ? [] : [{ sql: '+schedule = ?', values: [schedule] }];
    const titled = title === undefined ? [] : [{ sql: '+title GLOB ?', values: [globOf(title)] }];
    const series = peers === undefined ? undefined : this.#series(peers, schedule);
    if (series !== undefined) {
      return series.map((each) => ({
        how: 'INDEXED BY reports_of_series',
        where: [{ sql: 'reports.peer = ? AND schedule = ?', values: each }, ...titled, ...rest],
      }));
    }
    if (schedule !== undefined && schedule !== '') {
      const where = [
        { sql: `schedule = ? AND schedule <> ''`, values: [schedule] },
        ...ofPeers,
        ...titled,
        ...rest,
      ];
      return [{ how: 'INDEXED BY reports_of_schedule', where }];
    }
    const titles = title === undefined ? undefined : this.#titles(title);
    if (titles !== undefined) {
      return titles.map((each) => ({
        how: 'INDEXED BY reports_by_title',
        where: [{ sql: `title = ? AND title <> ''`, values: [each] }, ...ofPeers, ...ofSchedule, ...rest],
      }));
    }
    if (byHand) {
      const where = [{ sql: `kind = 'user'`, values: [] }, ...ofPeers, ...ofSchedule, ...titled, ...rest];
      return [{ how: 'INDEXED BY reports_by_hand', where }];
    }
    return [{ how: 'NOT INDEXED', where: [...ofPeers, ...ofSchedule, ...titled, ...rest] }];
  }

  /** The titles that a pattern stands for; undefined when they are too many to be read side by side. */
  #titles(pattern: string): string[] | undefined {
    const prefix = /^[^*?]*/.exec(pattern)?.[0] ?? '';
    if (prefix === pattern) return [pattern];
    const next = this.#database.prepare(`
      SELECT title, title GLOB ? AS isWanted FROM reports INDEXED BY reports_by_title
      WHERE title >= ? AND title <> '' ORDER BY title LIMIT 1`);
    const titles: string[] = [];
    let from = prefix;
    for (let count = 0; count < MAX_TITLES && titles.length <= MAX_STREAMS; count++) {
      const row = next.get(globOf(pattern), from);
      const title = row === undefined ? undefined : textIn(row, 'title');
      if (title === undefined || !title.startsWith(prefix)) return titles;
      if (row?.['isWanted'] === 1) titles.push(title);
      // No text is between one and the same with a NUL behind it.
      from = `${title}\0`;
    }
    return undefined;
  }

  *#read({ how, where }: Stream, { first, last }: Wanted, rows: number): Generator<Row, void, void> {
    const conditions = ['reports.number >= ?', 'reports.number <= ?', ...where.map(({ sql }) => sql)];
    const values = where.flatMap((each) => each.values);
    const page = this.#database.prepare(
      `${selectReports(how)} WHERE ${conditions.join(' AND ')} ORDER BY reports.number LIMIT ${rows}`,
    );
    for (let from = first; ;) {
      const found = page.all(from, last, ...values);
      yield* found;
      const end = found.at(-1);
      if (end === undefined || found.length < rows) return;
      from = integerIn(end, 'number') + 1;
    }
  }

  /** All (machine, schedule); undefined when they are too many to be read side by side. */
  #series(peers: readonly number[], schedule: string | undefined): Series[] | undefined {
    const series: Series[] = [];
    for (const each of this.#eachSeries(peers, schedule)) {
      if (series.length === MAX_STREAMS) return undefined;
      series.push(each);
    }
    return series;
  }

  /** Whether there is any report of one is not looked at for those made by hand, and for a schedule that was named. */
  *#eachSeries(peers: readonly number[], schedule: string | undefined): Generator<Series, void, void> {
    const next = this.#database.prepare(`
      SELECT schedule FROM reports INDEXED BY reports_of_series
      WHERE peer = ? AND schedule > ? ORDER BY schedule LIMIT 1`);
    for (const peer of peers) {
      yield [peer, schedule ?? ''];
      if (schedule !== undefined) continue;
      for (let row = next.get(peer, ''); row !== undefined; row = next.get(peer, textIn(row, 'schedule')))
        yield [peer, textIn(row, 'schedule')];
    }
  }

  /** The newest number of each series. */
  #newest({ peers, schedule, first, last, rest }: Wanted): number[] {
    const where = rest.map(({ sql }) => ` AND ${sql}`).join('');
    const values = rest.flatMap((each) => each.values);
    const newest = this.#database.prepare(`
      SELECT number FROM reports INDEXED BY reports_of_series
      WHERE peer = ? AND schedule = ? AND number >= ? AND number <= ?${where} ORDER BY number DESC LIMIT 1`);
    const numbers: number[] = [];
    for (const series of this.#eachSeries(peers ?? this.#peers.all(), schedule)) {
      const row = newest.get(...series, first, last, ...values);
      if (row !== undefined) numbers.push(integerIn(row, 'number'));
    }
    return numbers;
  }

  /** The same from the reports that have such a title, which are fewer than those that have not. */
  #newestTitled(wanted: Wanted): number[] {
    const newest = new Map<string, number>();
    // Later ones take the place of earlier ones.
    for (const stream of this.#streams(wanted)) {
      const conditions = ['number >= ?', 'number <= ?', ...stream.where.map(({ sql }) => sql)];
      const statement = this.#database.prepare(`
        SELECT peer, schedule, max(number) AS number FROM reports ${stream.how}
        WHERE ${conditions.join(' AND ')} GROUP BY peer, schedule`);
      const values = stream.where.flatMap((each) => each.values);
      for (const row of statement.all(wanted.first, wanted.last, ...values)) {
        const series = JSON.stringify([row['peer'], row['schedule']]);
        newest.set(series, Math.max(newest.get(series) ?? 0, integerIn(row, 'number')));
      }
    }
    return [...newest.values()];
  }
}

/** Merges rows that come in the order of their numbers. */
function* byNumber(streams: readonly Iterator<Row, void>[]): Generator<Row, void, void> {
  const heads = streams.flatMap((stream) => headOf(stream));
  for (;;) {
    let least: Head | undefined;
    for (const head of heads) if (least === undefined || head.number < least.number) least = head;
    if (least === undefined) return;
    yield least.row;
    const [next] = headOf(least.stream);
    if (next === undefined) heads.splice(heads.indexOf(least), 1);
    else Object.assign(least, next);
  }
}

interface Head {
  row: Row;
  number: number;
  stream: Iterator<Row, void>;
}

function headOf(stream: Iterator<Row, void>): Head[] {
  const { value, done } = stream.next();
  return done === true || value === undefined
    ? []
    : [{ row: value, number: integerIn(value, 'number'), stream }];
}

/** Only `*` and `?` mean something: a `[` is one. */
function globOf(pattern: string): string {
  return pattern.replaceAll('[', '[[]');
}

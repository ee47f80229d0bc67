import { createHash } from 'node:crypto';
import { fairLevel, MAX_SPOOLS_PER_MEMBER } from '@filer/protocol';
import { bytesIn, integerIn, optionalIntegerIn, textIn, type Row } from '@filer/program';
import { NO_EFFECTS, type Effects } from '../effects.ts';
import { differencesOf, roomOf, ROW_BYTES, verdictOf, type ReportDigest } from '../report-rules.ts';
import type {
  Difference,
  NewReport,
  RecentReports,
  ReportQuery,
  ReportStore,
  Retention,
  StoredReport,
  StoreOutcome,
} from '../report-store.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { keepEffects } from './effects.ts';
import { numbersOf } from './peer-numbers.ts';
import { ReportSearch } from './report-search.ts';

interface Spool {
  lastSeq: number;
  readonly prunedSeq: number;
  readonly prunedTime: number;
}

interface Added {
  readonly each: NewReport;
  readonly stamp: ReportDigest;
}

/** The reports in PostgreSQL, for any number of servers. */
export class PostgresReportStore implements ReportStore {
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];
  readonly #search: ReportSearch;

  constructor(database: PostgresDatabase) {
    this.#database = database;
    this.#inTurn = database.inTurn();
    this.#search = new ReportSearch(database);
  }

  async append(batch: readonly NewReport[], effects: Effects = NO_EFFECTS): Promise<StoreOutcome[]> {
    let outcomes: StoreOutcome[] = [];
    try {
      await this.#inTurn(async (queries) => {
        const first = await nextNumber(queries);
        const judged = await judge(queries, batch);
        outcomes = judged.outcomes;
        if (outcomes.some((outcome) => outcome !== 'stored')) throw new Refused();
        await insert(queries, first, batch, judged);
        await keepEffects(queries, effects);
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    return outcomes;
  }

  async bytes(): Promise<number> {
    return integerIn(await this.#database.get(TOTAL), 'total');
  }

  async isAboveShare(peer: string, bytes: number): Promise<boolean> {
    const row = await this.#database.get(SHARE, peer);
    const [total, holders, own] = ['total', 'holders', 'own'].map((column) => integerIn(row, column));
    return (own ?? 0) + bytes > (total ?? 0) / Math.max(1, holders ?? 0);
  }

  query(query: ReportQuery): AsyncIterable<StoredReport[]> {
    return this.#search.all(query);
  }

  latest(query: ReportQuery): AsyncIterable<StoredReport[]> {
    return this.#search.latest(query);
  }

  async recent(of: RecentReports, limit: number, before?: string): Promise<StoredReport[]> {
    return await this.#search.recent(of, limit, Number(before ?? Number.MAX_SAFE_INTEGER));
  }

  async lastReceived(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.all(RECEIVED);
    return new Map(rows.map((row) => [textIn(row, 'id'), integerIn(row, 'reported_at')]));
  }

  async get(id: string): Promise<StoredReport | undefined> {
    return /^[1-9][0-9]{0,15}$/.test(id) ? await this.#search.one(Number(id)) : undefined;
  }

  async differences(each: NewReport): Promise<readonly Difference[]> {
    const { peer, report } = each;
    const row = await this.#database.get(DIGEST, peer, report.spool, report.seq);
    return row === undefined ? [] : differencesOf(digestOf(row), stampOf(each));
  }

  async lastSeq(peer: string, spool: string): Promise<number> {
    const row = await this.#database.get(LAST_SEQ, peer, spool);
    return row === undefined ? 0 : Math.max(0, integerIn(row, 'last_seq'));
  }

  async newest(): Promise<string | undefined> {
    return (await this.#search.newest())?.toString();
  }

  async prune({ before, maxBytes }: Retention, limit: number): Promise<number> {
    return await this.#inTurn(async (queries) => {
      await nextNumber(queries);
      const expired = await queries.all(EXPIRED, before, limit);
      await drop(queries, expired);
      const more = await greediest(queries, maxBytes, limit - expired.length);
      await drop(queries, more);
      return expired.length + more.length;
    });
  }
}

/** What is given to the next report. Reports are stored and dropped by one server after the other. */
async function nextNumber(queries: Queries): Promise<number> {
  return integerIn(
    await queries.get(`SELECT value + 1 AS next FROM counters WHERE name = 'report' FOR UPDATE`),
    'next',
  );
}

interface Judged {
  readonly outcomes: StoreOutcome[];
  readonly added: readonly Added[];
  readonly peers: ReadonlyMap<string, number>;
}

async function judge(queries: Queries, batch: readonly NewReport[]): Promise<Judged> {
  const { rows, peers } = await knownOf(queries, batch);
  const spools = new Map<string, Spool>();
  const stored = new Map<string, ReportDigest>();
  for (const [at, row] of rows.entries()) {
    const each = batch[at];
    if (each === undefined || row['last_seq'] === null) continue;
    spools.set(spoolKey(each), {
      lastSeq: integerIn(row, 'last_seq'),
      prunedSeq: integerIn(row, 'pruned_seq'),
      prunedTime: integerIn(row, 'pruned_time'),
    });
    if (row['digest'] !== null) stored.set(reportKey(each), digestOf(row));
  }
  const opening = batch.filter((each) => !spools.has(spoolKey(each))).map(({ peer }) => peer);
  const counts = await spoolCounts(queries, new Set(opening));
  const added: Added[] = [];
  const outcomes = batch.map((each): StoreOutcome => {
    const { peer, report } = each;
    let spool = spools.get(spoolKey(each));
    if (spool === undefined) {
      const count = counts.get(peer) ?? 0;
      if (count >= MAX_SPOOLS_PER_MEMBER) return 'too-many-spools';
      counts.set(peer, count + 1);
      spool = { lastSeq: -1, prunedSeq: -1, prunedTime: -1 };
      spools.set(spoolKey(each), spool);
    }
    const stamp = stampOf(each);
    const verdict = verdictOf({ ...stamp, seq: report.seq }, stored.get(reportKey(each)), spool);
    if (verdict !== 'new') return verdict === 'known' ? 'stored' : 'conflict';
    spool.lastSeq = Math.max(spool.lastSeq, report.seq);
    stored.set(reportKey(each), stamp);
    added.push({ each, stamp });
    return 'stored';
  });
  return { outcomes, added, peers };
}

/** What is stored of each report of a batch, in its order; machines that have no number get one. */
async function knownOf(
  queries: Queries,
  batch: readonly NewReport[],
): Promise<Pick<Judged, 'peers'> & { readonly rows: readonly Row[] }> {
  const rows = await queries.all(
    KNOWN,
    batch.map(({ peer }) => peer),
    batch.map(({ report }) => report.spool),
    batch.map(({ report }) => report.seq),
  );
  const numbers = rows.map((row) => optionalIntegerIn(row, 'number'));
  const peers = new Map<string, number>();
  for (const [at, { peer }] of batch.entries()) {
    const number = numbers[at];
    if (number !== undefined) peers.set(peer, number);
  }
  const isKnown = ({ peer }: NewReport): boolean => peers.has(peer);
  if (batch.every(isKnown)) return { rows, peers };
  return {
    rows,
    peers: await numbersOf(
      queries,
      batch.map(({ peer }) => peer),
    ),
  };
}

async function spoolCounts(queries: Queries, peers: ReadonlySet<string>): Promise<Map<string, number>> {
  if (peers.size === 0) return new Map();
  const rows = await queries.all(SPOOL_COUNTS, [...peers]);
  return new Map(rows.map((row) => [textIn(row, 'id'), integerIn(row, 'count')]));
}

const spoolKey = ({ peer, report }: NewReport): string => `${peer} ${report.spool}`;
const reportKey = (each: NewReport): string => `${spoolKey(each)} ${each.report.seq}`;

/**
 * In one statement: each waits for its turn at the database, and all servers wait for this transaction. Spools get their numbers in the
 * order of their first reports: the older ones of a machine go first.
 */
async function insert(
  queries: Queries,
  first: number,
  batch: readonly NewReport[],
  { added, peers }: Judged,
): Promise<void> {
  const reports = added.map(({ each }) => each.report);
  // Those that were known already count as heard, too.
  const heard = new Map(batch.map(({ peer, receivedAt }) => [peer, { at: receivedAt, bytes: 0 }]));
  for (const { each } of added) {
    const of = heard.get(each.peer);
    if (of !== undefined) of.bytes += roomOf(each);
  }
  await queries.run(
    INSERT,
    added.map((_, index) => first + index),
    added.map(({ each }) => numberOf(peers, each.peer)),
    reports.map(({ spool }) => spool),
    reports.map(({ seq }) => seq),
    reports.map(({ kind }) => kind),
    reports.map(({ time }) => time),
    added.map(({ each }) => each.receivedAt),
    reports.map(({ schedule }) => schedule),
    reports.map(({ title }) => title),
    added.map(({ stamp }) => stamp.digest),
    added.map(({ each }) => each.content),
    first + added.length - 1,
    [...heard.keys()].map((peer) => numberOf(peers, peer)),
    [...heard.values()].map(({ bytes }) => bytes),
    [...heard.values()].map(({ at }) => at),
  );
}

async function addBytes(queries: Queries, peers: readonly number[], bytes: readonly number[]): Promise<void> {
  await queries.run(ADD_BYTES, peers, bytes);
}

/** The oldest reports of those machines that have most, as many as have to go. */
async function greediest(queries: Queries, maxBytes: number, limit: number): Promise<Row[]> {
  const shares = (await queries.all(SHARES)).map((row) => ({
    peer: integerIn(row, 'number'),
    bytes: integerIn(row, 'report_bytes'),
  }));
  let total = shares.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= maxBytes) return [];
  const level = fairLevel(
    shares.map(({ bytes }) => bytes),
    maxBytes,
  );
  const gone: Row[] = [];
  for (const { peer, bytes } of shares) {
    let left = bytes;
    if (left <= level || gone.length === limit) break;
    for (const row of await queries.all(OLDEST, peer, limit - gone.length)) {
      if (left <= level || total <= maxBytes) break;
      left -= integerIn(row, 'bytes');
      total -= integerIn(row, 'bytes');
      gone.push(row);
    }
  }
  return gone;
}

async function drop(queries: Queries, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  const column = (name: string): number[] => rows.map((row) => integerIn(row, name));
  // Their files are removed a little later.
  await queries.run(FILES_GO, column('number'));
  await queries.run('DELETE FROM reports WHERE number = ANY ($1::bigint[])', column('number'));
  await queries.run(PRUNED, column('spool'), column('seq'), column('time'));
  await addBytes(
    queries,
    column('peer'),
    column('bytes').map((bytes) => -bytes),
  );
}

function numberOf(peers: ReadonlyMap<string, number>, peer: string): number {
  const number = peers.get(peer);
  if (number === undefined) throw new Error('a machine that was added has a number');
  return number;
}

function digestOf(row: Row): ReportDigest {
  return { digest: bytesIn(row, 'digest'), kind: textIn(row, 'kind'), time: integerIn(row, 'time') };
}

function stampOf({ report: { kind, time }, content }: NewReport): ReportDigest {
  return { digest: createHash('sha256').update(content).digest(), kind, time };
}

/** Undoes the transaction: a report of the batch was refused. */
class Refused extends Error {}

const TOTAL = 'SELECT coalesce(sum(report_bytes), 0)::bigint AS total FROM peers';
const SHARES =
  'SELECT number, report_bytes FROM peers WHERE report_bytes > 0 ORDER BY report_bytes DESC, number';
const SHARE = `
  SELECT coalesce(sum(report_bytes), 0)::bigint AS total, count(*) FILTER (WHERE report_bytes <> 0) AS holders,
    coalesce(sum(report_bytes) FILTER (WHERE id = $1), 0)::bigint AS own FROM peers`;
const ADD_BYTES = `
  UPDATE peers SET report_bytes = report_bytes + given.bytes
  FROM (SELECT peer, sum(bytes)::bigint AS bytes FROM unnest($1::bigint[], $2::bigint[]) AS each (peer, bytes)
    GROUP BY peer) AS given
  WHERE peers.number = given.peer`;

const RECEIVED = 'SELECT id, reported_at FROM peers WHERE reported_at IS NOT NULL';
// Each report is looked for by its key, whatever the database thinks of the size of a table that grows.
const KNOWN = `
  SELECT peers.number, last_seq, pruned_seq, pruned_time, digest, kind, time
  FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS given (id, spool, seq, place)
    LEFT JOIN peers ON peers.id = given.id
    LEFT JOIN spools ON spools.peer = peers.number AND spools.spool = given.spool
    LEFT JOIN LATERAL (SELECT digest, kind, time FROM reports
      WHERE reports.peer = peers.number AND reports.spool = spools.number AND reports.seq = given.seq LIMIT 1)
      AS found ON true
  ORDER BY place`;
const SPOOL_COUNTS = `
  SELECT id, count(*) AS count FROM spools JOIN peers ON peers.number = spools.peer WHERE id = ANY ($1::text[]) GROUP BY id`;
const DIGEST = `
  SELECT digest, kind, time FROM reports JOIN spools ON spools.number = reports.spool
    JOIN peers ON peers.number = spools.peer
  WHERE peers.id = $1 AND spools.spool = $2 AND reports.seq = $3`;
const LAST_SEQ = `
  SELECT last_seq FROM spools JOIN peers ON peers.number = spools.peer WHERE peers.id = $1 AND spool = $2`;

const INSERT = `
  WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
      $8::text[], $9::text[], $10::bytea[], $11::bytea[])
      AS each (number, peer, spool, seq, kind, time, received_at, schedule, title, digest, content)),
  advanced AS (
    INSERT INTO spools (peer, spool, last_seq)
    SELECT peer, spool, max(seq) FROM given GROUP BY peer, spool ORDER BY min(number)
    ON CONFLICT (peer, spool) DO UPDATE SET last_seq = greatest(spools.last_seq, excluded.last_seq)
    RETURNING number, peer, spool),
  added AS (
    INSERT INTO reports (number, peer, spool, seq, kind, time, received_at, schedule, title, digest, content)
    SELECT given.number, given.peer, advanced.number, seq, kind, time, received_at, schedule, title, digest, content
    FROM given JOIN advanced ON advanced.peer = given.peer AND advanced.spool = given.spool),
  counted AS (UPDATE counters SET value = $12 WHERE name = 'report')
  UPDATE peers SET report_bytes = report_bytes + heard.bytes, reported_at = heard.at
  FROM unnest($13::bigint[], $14::bigint[], $15::bigint[]) AS heard (peer, bytes, at) WHERE peers.number = heard.peer`;

const ROOM = `reports.number, reports.peer, reports.spool, reports.seq, reports.time,
  ${ROW_BYTES} + length(content) + 2 * octet_length(title) AS bytes`;
// By what the clock said, not by the order: it may have been wrong for a while.
const EXPIRED = `SELECT ${ROOM} FROM reports WHERE received_at < $1 ORDER BY received_at LIMIT $2`;
// A machine's older spools come first: it opens another one only when its home is an old copy.
const OLDEST = `SELECT ${ROOM} FROM reports WHERE peer = $1 ORDER BY spool, seq LIMIT $2`;
const FILES_GO = `
  UPDATE uploads SET state = 'gone' FROM reports
    JOIN spools ON spools.number = reports.spool JOIN peers ON peers.number = reports.peer
  WHERE reports.number = ANY ($1::bigint[])
    AND uploads.spool = spools.spool AND uploads.seq = reports.seq AND uploads.peer = peers.id`;
const PRUNED = `
  UPDATE spools SET pruned_seq = greatest(pruned_seq, given.seq), pruned_time = greatest(pruned_time, given.time)
  FROM (SELECT spool, max(seq) AS seq, max(time) AS time
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS each (spool, seq, time) GROUP BY spool) AS given
  WHERE spools.number = given.spool`;

import { createHash } from 'node:crypto';
import { MAX_SPOOLS_PER_MEMBER } from '@filer/protocol';
import { bytesIn, integerIn, textIn, type Database, type Row, type Statements } from '@filer/program';
import { NO_EFFECTS, type Effects } from '../effects.ts';
import { differencesOf, roomOf, ROW_BYTES, verdictOf, type ReportDigest } from '../report-rules.ts';
import type { SqliteExpectationStore } from './expectation-store.ts';
import { PeerNumbers } from './peer-numbers.ts';
import { ReportSearch } from './report-search.ts';
import { ReportShares } from './report-shares.ts';
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

/** Reports of one page. */
const PAGE = 256;

/** So many spools are remembered beside the database, which only this process writes: some 200 bytes each. */
const MAX_REMEMBERED_SPOOLS = 20_000;

interface Spool {
  readonly number: number;
  /** The number of its machine. */
  readonly peer: number;
  lastSeq: number;
  readonly prunedSeq: number;
  /** The newest of those that have gone was made then, by its maker's clock. */
  readonly prunedTime: number;
}

/** The reports in the embedded database. */
export class SqliteReportStore implements ReportStore {
  readonly #database: Database;
  readonly #peers: PeerNumbers;
  readonly #search: ReportSearch;
  readonly #expectations: SqliteExpectationStore;
  readonly #shares: ReportShares;
  readonly #spools = new Map<string, Spool>();
  readonly #statements: Statements<typeof STATEMENTS>;

  /** @param expectations keeps the effects of reports */
  constructor(database: Database, expectations: SqliteExpectationStore) {
    this.#database = database;
    this.#expectations = expectations;
    this.#peers = new PeerNumbers(database);
    this.#search = new ReportSearch(database);
    this.#shares = new ReportShares(database);
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async append(batch: readonly NewReport[], effects: Effects = NO_EFFECTS): Promise<StoreOutcome[]> {
    let outcomes: StoreOutcome[] = [];
    try {
      this.#database.transaction(() => {
        const advanced = new Set<Spool>();
        outcomes = batch.map((each) => this.#storeOne(each, advanced));
        if (outcomes.some((outcome) => outcome !== 'stored')) throw new Refused();
        const received = new Map(batch.map(({ peer, receivedAt }) => [peer, receivedAt]));
        for (const [peer, at] of received) this.#statements.reported.run(at, peer);
        for (const { lastSeq, number } of advanced) this.#statements.advance.run(lastSeq, number);
        this.#shares.save();
        this.#expectations.keep(effects);
      });
    } catch (error) {
      this.#forget();
      if (!(error instanceof Refused)) throw error;
    }
    return outcomes;
  }

  async bytes(): Promise<number> {
    return this.#shares.total;
  }

  async isAboveShare(peer: string, bytes: number): Promise<boolean> {
    const number = this.#peers.find(peer);
    return (number === undefined ? 0 : this.#shares.of(number)) + bytes > this.#shares.equalShare;
  }

  /** What is remembered beside the database, of which a transaction has failed. */
  #forget(): void {
    this.#spools.clear();
    this.#shares.forget();
  }

  #storeOne(each: NewReport, advanced: Set<Spool>): StoreOutcome {
    const { peer, report, content, receivedAt } = each;
    const spool = this.#spoolOf(peer, report.spool);
    if (spool === undefined) return 'too-many-spools';
    const stamp = stampOf(each);
    const { seq, kind, time, schedule, title } = report;
    if (seq <= spool.lastSeq) {
      const verdict = verdictOf({ ...stamp, seq }, this.#stored(spool, seq), spool);
      if (verdict !== 'new') return verdict === 'known' ? 'stored' : 'conflict';
    }
    this.#statements.insert.run(
      spool.peer,
      spool.number,
      seq,
      kind,
      time,
      receivedAt,
      schedule,
      title,
      stamp.digest,
      content,
    );
    spool.lastSeq = Math.max(spool.lastSeq, seq);
    advanced.add(spool);
    this.#shares.add(spool.peer, roomOf(each));
    return 'stored';
  }

  async differences(each: NewReport): Promise<readonly Difference[]> {
    const spool = this.#spoolOf(each.peer, each.report.spool);
    const stored = spool && this.#stored(spool, each.report.seq);
    return stored === undefined ? [] : differencesOf(stored, stampOf(each));
  }

  #stored({ number }: Spool, seq: number): ReportDigest | undefined {
    const row = this.#statements.digest.get(number, seq);
    if (row === undefined) return undefined;
    return { digest: bytesIn(row, 'digest'), kind: textIn(row, 'kind'), time: integerIn(row, 'time') };
  }

  /** Of a spool that is new, too, unless the machine has too many of them. */
  #spoolOf(peer: string, spool: string): Spool | undefined {
    const key = `${peer} ${spool}`;
    const remembered = this.#spools.get(key);
    if (remembered !== undefined) return remembered;
    const { spool: find, spools, addSpool } = this.#statements;
    const peerNumber = this.#peers.of(peer);
    let row = find.get(peerNumber, spool);
    if (row === undefined) {
      if (integerIn(spools.get(peerNumber) ?? {}, 'count') >= MAX_SPOOLS_PER_MEMBER) return undefined;
      addSpool.run(peerNumber, spool);
      row = find.get(peerNumber, spool) ?? {};
    }
    const found: Spool = {
      number: integerIn(row, 'number'),
      peer: peerNumber,
      lastSeq: integerIn(row, 'last_seq'),
      prunedSeq: integerIn(row, 'pruned_seq'),
      prunedTime: integerIn(row, 'pruned_time'),
    };
    if (this.#spools.size >= MAX_REMEMBERED_SPOOLS) this.#spools.clear();
    this.#spools.set(key, found);
    return found;
  }

  async *query(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    yield* inPages(this.#search.all(query));
  }

  async *latest(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    yield* inPages(this.#search.latest(query));
  }

  async recent(of: RecentReports, limit: number, before?: string): Promise<StoredReport[]> {
    return this.#search.recent(of, limit, before === undefined ? Number.MAX_SAFE_INTEGER : Number(before));
  }

  async lastReceived(): Promise<ReadonlyMap<string, number>> {
    return new Map(
      this.#statements.received.all().map((row) => [textIn(row, 'id'), integerIn(row, 'reported_at')]),
    );
  }

  async get(id: string): Promise<StoredReport | undefined> {
    return /^[1-9][0-9]{0,15}$/.test(id) ? this.#search.one(Number(id)) : undefined;
  }

  async lastSeq(peer: string, spool: string): Promise<number> {
    const row = this.#statements.lastSeq.get(peer, spool);
    return row === undefined ? 0 : Math.max(0, integerIn(row, 'last_seq'));
  }

  async newest(): Promise<string | undefined> {
    return this.#search.newest()?.toString();
  }

  async prune({ before, maxBytes }: Retention, limit: number): Promise<number> {
    this.#spools.clear();
    try {
      return this.#database.transaction(() => {
        let dropped = 0;
        for (const row of this.#statements.expired.all(before, limit)) {
          this.#drop(row);
          dropped++;
        }
        if (this.#shares.total > maxBytes) dropped += this.#dropGreediest(maxBytes, limit - dropped);
        this.#shares.save();
        return dropped;
      });
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** Drops the oldest reports of those machines that have most, until all together fit. @returns how many */
  #dropGreediest(maxBytes: number, limit: number): number {
    const level = this.#shares.level(maxBytes);
    let dropped = 0;
    for (const peer of this.#shares.above(level)) {
      // A machine's older spools come first: it opens another one only when its home is an old copy.
      for (const spool of this.#statements.spoolsOf.all(peer)) {
        for (const row of this.#statements.oldest.all(integerIn(spool, 'number'), limit - dropped)) {
          if (this.#shares.of(peer) <= level || this.#shares.total <= maxBytes) break;
          this.#drop(row);
          dropped++;
        }
        if (this.#shares.of(peer) <= level || dropped === limit) break;
      }
      if (this.#shares.total <= maxBytes || dropped === limit) break;
    }
    return dropped;
  }

  #drop(row: Row): void {
    const number = integerIn(row, 'number');
    // Its files are removed a little later.
    this.#statements.filesGo.run(number);
    this.#statements.drop.run(number);
    this.#statements.pruned.run(integerIn(row, 'seq'), integerIn(row, 'time'), integerIn(row, 'spool'));
    this.#shares.add(integerIn(row, 'peer'), -integerIn(row, 'bytes'));
  }
}

function stampOf({ report: { kind, time }, content }: NewReport): ReportDigest {
  return { digest: createHash('sha256').update(content).digest(), kind, time };
}

/** Some at a time: each page is a turn of its own. */
function* inPages(reports: Iterable<StoredReport>): Generator<StoredReport[], void, void> {
  let page: StoredReport[] = [];
  for (const report of reports) {
    if (page.push(report) < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Undoes the transaction: a report of the batch was refused. */
class Refused extends Error {}

const ROOM = `number, peer, spool, seq, time, ${ROW_BYTES} + length(content) + 2 * octet_length(title) AS bytes`;
const STATEMENTS = {
  digest: 'SELECT digest, kind, time FROM reports WHERE spool = ? AND seq = ?',
  spool: 'SELECT number, last_seq, pruned_seq, pruned_time FROM spools WHERE peer = ? AND spool = ?',
  lastSeq: `
    SELECT last_seq FROM spools JOIN peers ON peers.number = spools.peer
    WHERE peers.id = ? AND spools.spool = ?`,
  spools: 'SELECT count(*) AS count FROM spools WHERE peer = ?',
  addSpool: 'INSERT INTO spools (peer, spool, last_seq) VALUES (?, ?, -1)',
  insert: `
    INSERT INTO reports (peer, spool, seq, kind, time, received_at, schedule, title, digest, content)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  advance: 'UPDATE spools SET last_seq = max(last_seq, ?) WHERE number = ?',
  // By what the clock said, not by the order: it may have been wrong for a while.
  expired: `SELECT ${ROOM} FROM reports WHERE received_at < ? ORDER BY received_at LIMIT ?`,
  spoolsOf: 'SELECT number FROM spools WHERE peer = ? ORDER BY number',
  oldest: `SELECT ${ROOM} FROM reports WHERE spool = ? ORDER BY seq LIMIT ?`,
  drop: 'DELETE FROM reports WHERE number = ?',
  filesGo: `
    UPDATE uploads SET state = 'gone' WHERE (spool, seq, peer) = (
      SELECT spools.spool, reports.seq, peers.id FROM reports
        JOIN spools ON spools.number = reports.spool JOIN peers ON peers.number = reports.peer
      WHERE reports.number = ?)`,
  reported: 'UPDATE peers SET reported_at = ? WHERE id = ?',
  received: 'SELECT id, reported_at FROM peers WHERE reported_at IS NOT NULL',
  pruned:
    'UPDATE spools SET pruned_seq = max(pruned_seq, ?), pruned_time = max(pruned_time, ?) WHERE number = ?',
};

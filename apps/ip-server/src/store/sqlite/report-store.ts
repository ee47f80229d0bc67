import { createHash } from 'node:crypto';
import { MAX_SPOOLS_PER_MEMBER } from '@filer/protocol';
import type { Database, Row, Statement } from './database.ts';
import { PeerNumbers } from './peer-numbers.ts';
import { ReportSearch } from './report-search.ts';
import { ReportShares } from './report-shares.ts';
import type {
  Difference,
  NewReport,
  ReportQuery,
  ReportStore,
  Retention,
  StoredReport,
  StoreOutcome,
} from '../report-store.ts';
import { bytes, integer } from './rows.ts';

/** What a row and its indexes take on disk beside its content and title, in bytes; measured, rounded. */
const ROW_BYTES = 200;

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
  readonly #shares: ReportShares;
  readonly #spools = new Map<string, Spool>();
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#peers = new PeerNumbers(database);
    this.#search = new ReportSearch(database);
    this.#shares = new ReportShares(database);
    this.#statements = prepareAll(database);
  }

  store(batch: readonly NewReport[], along?: (stored: readonly NewReport[]) => void): StoreOutcome[] {
    try {
      return this.#database.transaction(() => {
        const advanced = new Set<Spool>();
        const outcomes = batch.map((each) => {
          const outcome = this.#storeOne(each, advanced);
          return outcome === 'new' || outcome === 'known' ? 'stored' : outcome;
        });
        for (const { lastSeq, number } of advanced) this.#statements.advance.run(lastSeq, number);
        this.#shares.save();
        along?.(batch.filter((_, index) => outcomes[index] === 'stored'));
        return outcomes;
      });
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  get bytes(): number {
    return this.#shares.total;
  }

  isAboveShare(peer: string, bytes: number): boolean {
    const number = this.#peers.find(peer);
    return (number === undefined ? 0 : this.#shares.of(number)) + bytes > this.#shares.equalShare;
  }

  /** What is remembered beside the database, of which a transaction has failed. */
  #forget(): void {
    this.#spools.clear();
    this.#shares.forget();
  }

  #storeOne(each: NewReport, advanced: Set<Spool>): 'new' | 'known' | 'conflict' | 'too-many-spools' {
    const { peer, report, content, receivedAt } = each;
    const spool = this.#spoolOf(peer, report.spool);
    if (spool === undefined) return 'too-many-spools';
    const digest = createHash('sha256').update(content).digest();
    const { seq, kind, time, schedule, title } = report;
    if (seq <= spool.lastSeq) {
      const stored = this.#statements.digest.get(spool.number, seq);
      if (stored !== undefined)
        return differencesOf(stored, report, digest).length === 0 ? 'known' : 'conflict';
      // It was stored once and has gone since, with its digest, unless it was made later than all that have gone.
      if (seq <= spool.prunedSeq) return time <= spool.prunedTime ? 'known' : 'conflict';
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
      digest,
      content,
    );
    spool.lastSeq = Math.max(spool.lastSeq, seq);
    advanced.add(spool);
    this.#shares.add(spool.peer, roomOf(each));
    return 'new';
  }

  differences({ peer, report, content }: NewReport): readonly Difference[] {
    const spool = this.#spoolOf(peer, report.spool);
    const stored = spool === undefined ? undefined : this.#statements.digest.get(spool.number, report.seq);
    if (stored === undefined) return [];
    return differencesOf(stored, report, createHash('sha256').update(content).digest());
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
      if (integer(spools.get(peerNumber) ?? {}, 'count') >= MAX_SPOOLS_PER_MEMBER) return undefined;
      addSpool.run(peerNumber, spool);
      row = find.get(peerNumber, spool) ?? {};
    }
    const found: Spool = {
      number: integer(row, 'number'),
      peer: peerNumber,
      lastSeq: integer(row, 'last_seq'),
      prunedSeq: integer(row, 'pruned_seq'),
      prunedTime: integer(row, 'pruned_time'),
    };
    if (this.#spools.size >= MAX_REMEMBERED_SPOOLS) this.#spools.clear();
    this.#spools.set(key, found);
    return found;
  }

  query(query: ReportQuery): Generator<StoredReport, void, void> {
    return this.#search.all(query);
  }

  latest(query: ReportQuery): Generator<StoredReport, void, void> {
    return this.#search.latest(query);
  }

  get(id: string): StoredReport | undefined {
    return /^[1-9][0-9]{0,15}$/.test(id) ? this.#search.one(Number(id)) : undefined;
  }

  lastSeq(peer: string, spool: string): number {
    const row = this.#statements.lastSeq.get(peer, spool);
    return row === undefined ? 0 : Math.max(0, integer(row, 'last_seq'));
  }

  newest(): string | undefined {
    return this.#search.newest()?.toString();
  }

  prune({ before, maxBytes }: Retention, limit: number): number {
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

  /** Drops the oldest reports of those machines that have most, until all together have no more. @returns how many */
  #dropGreediest(maxBytes: number, limit: number): number {
    const level = this.#shares.level(maxBytes);
    let dropped = 0;
    for (const peer of this.#shares.above(level)) {
      // A machine's older spools come first: it opens another one only when its home is an old copy.
      for (const spool of this.#statements.spoolsOf.all(peer)) {
        for (const row of this.#statements.oldest.all(integer(spool, 'number'), limit - dropped)) {
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
    this.#statements.drop.run(integer(row, 'number'));
    this.#statements.pruned.run(integer(row, 'seq'), integer(row, 'time'), integer(row, 'spool'));
    this.#shares.add(integer(row, 'peer'), -integer(row, 'bytes'));
  }
}

/** Two reports may well say the same: a home that was restored from an old copy counts from there again. */
function differencesOf(stored: Row, { kind, time }: NewReport['report'], digest: Buffer): Difference[] {
  const differs: Record<Difference, boolean> = {
    content: !bytes(stored, 'digest').equals(digest),
    kind: stored['kind'] !== kind,
    time: integer(stored, 'time') !== time,
  };
  return DIFFERENCES.filter((each) => differs[each]);
}

const DIFFERENCES = ['content', 'kind', 'time'] as const;

/** Roughly what a report takes on disk: its title stands in its content, its row and an index. */
function roomOf({ report, content }: NewReport): number {
  return ROW_BYTES + content.length + 2 * Buffer.byteLength(report.title);
}

function prepareAll(
  database: Database,
): Record<
  | 'digest'
  | 'spool'
  | 'spools'
  | 'lastSeq'
  | 'addSpool'
  | 'insert'
  | 'advance'
  | 'expired'
  | 'spoolsOf'
  | 'oldest'
  | 'drop'
  | 'pruned',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  const room = `number, peer, spool, seq, time, ${ROW_BYTES} + length(content) + 2 * octet_length(title) AS bytes`;
  return {
    digest: sql('SELECT digest, kind, time FROM reports WHERE spool = ? AND seq = ?'),
    spool: sql('SELECT number, last_seq, pruned_seq, pruned_time FROM spools WHERE peer = ? AND spool = ?'),
    lastSeq: sql(`
      SELECT last_seq FROM spools JOIN peers ON peers.number = spools.peer
      WHERE peers.id = ? AND spools.spool = ?`),
    spools: sql('SELECT count(*) AS count FROM spools WHERE peer = ?'),
    addSpool: sql('INSERT INTO spools (peer, spool, last_seq) VALUES (?, ?, -1)'),
    insert: sql(`
      INSERT INTO reports (peer, spool, seq, kind, time, received_at, schedule, title, digest, content)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    advance: sql('UPDATE spools SET last_seq = max(last_seq, ?) WHERE number = ?'),
    // By what the clock said, not by the order: it may have been wrong for a while.
    expired: sql(`SELECT ${room} FROM reports WHERE received_at < ? ORDER BY received_at LIMIT ?`),
    spoolsOf: sql('SELECT number FROM spools WHERE peer = ? ORDER BY number'),
    oldest: sql(`SELECT ${room} FROM reports WHERE spool = ? ORDER BY seq LIMIT ?`),
    drop: sql('DELETE FROM reports WHERE number = ?'),
    pruned: sql(
      'UPDATE spools SET pruned_seq = max(pruned_seq, ?), pruned_time = max(pruned_time, ?) WHERE number = ?',
    ),
  };
}

import { createHash } from 'node:crypto';
import { MAX_SPOOLS_PER_MEMBER, parseReportBody } from '@filer/protocol';
import type { Database, Row, SqlValue, Statement } from './database.ts';
import { Meta } from './meta.ts';
import type {
  NewReport,
  ReportQuery,
  ReportStore,
  Retention,
  StoredReport,
  StoreOutcome,
} from './report-store.ts';
import { bytes, integer, text } from './rows.ts';

/** What a row and its indexes take on disk beside its content, in bytes; measured, rounded. */
const ROW_BYTES = 300;

/** The reports in the embedded database. */
export class SqliteReportStore implements ReportStore {
  readonly #database: Database;
  readonly #meta: Meta;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new Meta(database);
    this.#statements = prepareAll(database);
  }

  store(batch: readonly NewReport[]): StoreOutcome[] {
    return this.#database.transaction(() => {
      let added = 0;
      const outcomes = batch.map((each) => {
        const outcome = this.#storeOne(each);
        if (outcome === 'new') added += ROW_BYTES + each.content.length;
        return outcome === 'new' || outcome === 'known' ? 'stored' : outcome;
      });
      if (added > 0) this.#bytes = this.#bytes + added;
      return outcomes;
    });
  }

  /** Roughly what the reports take on disk; counted along, since summing it up would read them all. */
  get #bytes(): number {
    return Number(this.#meta.get('report_bytes') ?? '0');
  }

  set #bytes(bytes: number) {
    this.#meta.set('report_bytes', String(bytes));
  }

  #storeOne({
    peer,
    report,
    content,
    receivedAt,
  }: NewReport): 'new' | 'known' | 'conflict' | 'too-many-spools' {
    const { digest: known, spool, spools, insert, advance } = this.#statements;
    const digest = createHash('sha256').update(content).digest();
    const stored = known.get(peer, report.spool, report.seq);
    if (stored !== undefined) return bytes(stored, 'digest').equals(digest) ? 'known' : 'conflict';
    const state = spool.get(peer, report.spool);
    // It was stored once and has gone since, with its digest: the retention has forgotten nothing but the text.
    if (state !== undefined && report.seq <= integer(state, 'pruned_seq')) return 'known';
    if (state === undefined && integer(spools.get(peer) ?? {}, 'count') >= MAX_SPOOLS_PER_MEMBER) {
      return 'too-many-spools';
    }
    insert.run(peer, report.spool, report.seq, digest, report.kind, report.time, receivedAt, content);
    advance.run(peer, report.spool, report.seq);
    return 'new';
  }

  *query({ peer, since = 0 }: ReportQuery): Generator<StoredReport, void, void> {
    const conditions = ['received_at >= ?', ...(peer === undefined ? [] : ['peer = ?'])];
    const values: SqlValue[] = [since, ...(peer === undefined ? [] : [peer])];
    const statement = this.#database.prepare(
      `SELECT * FROM reports WHERE ${conditions.join(' AND ')} ORDER BY number`,
    );
    for (const row of statement.iterate(...values)) yield reportOf(row);
  }

  get(id: string): StoredReport | undefined {
    if (!/^[1-9][0-9]{0,15}$/.test(id)) return undefined;
    const row = this.#statements.one.get(Number(id));
    return row === undefined ? undefined : reportOf(row);
  }

  prune({ before, maxBytes }: Retention, limit: number): number {
    const { oldest, drop, pruned } = this.#statements;
    return this.#database.transaction(() => {
      let left = this.#bytes;
      let dropped = 0;
      for (const row of oldest.all(limit)) {
        if (integer(row, 'received_at') >= before && left <= maxBytes) break;
        left -= integer(row, 'bytes') + ROW_BYTES;
        drop.run(integer(row, 'number'));
        pruned.run(integer(row, 'seq'), text(row, 'peer'), text(row, 'spool'));
        dropped++;
      }
      if (dropped > 0) this.#bytes = left;
      return dropped;
    });
  }
}

function reportOf(row: Row): StoredReport {
  return {
    id: String(integer(row, 'number')),
    peer: text(row, 'peer'),
    receivedAt: integer(row, 'received_at'),
    report: {
      spool: text(row, 'spool'),
      seq: integer(row, 'seq'),
      kind: text(row, 'kind') === 'schedule' ? 'schedule' : 'user',
      time: integer(row, 'time'),
      ...parseReportBody(bytes(row, 'content')),
    },
  };
}

function prepareAll(
  database: Database,
): Record<
  'digest' | 'spool' | 'spools' | 'insert' | 'advance' | 'one' | 'oldest' | 'drop' | 'pruned',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  return {
    digest: sql('SELECT digest FROM reports WHERE peer = ? AND spool = ? AND seq = ?'),
    spool: sql('SELECT pruned_seq FROM spools WHERE peer = ? AND spool = ?'),
    spools: sql('SELECT count(*) AS count FROM spools WHERE peer = ?'),
    insert: sql(`
      INSERT INTO reports (peer, spool, seq, digest, kind, time, received_at, content)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    advance: sql(`
      INSERT INTO spools (peer, spool, last_seq) VALUES (?, ?, ?)
      ON CONFLICT (peer, spool) DO UPDATE SET last_seq = max(last_seq, excluded.last_seq)`),
    one: sql('SELECT * FROM reports WHERE number = ?'),
    oldest: sql(`
      SELECT number, peer, spool, seq, received_at, length(content) AS bytes
      FROM reports ORDER BY number LIMIT ?`),
    drop: sql('DELETE FROM reports WHERE number = ?'),
    pruned: sql('UPDATE spools SET pruned_seq = max(pruned_seq, ?) WHERE peer = ? AND spool = ?'),
  };
}

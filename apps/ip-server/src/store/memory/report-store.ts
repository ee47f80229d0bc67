import { createHash } from 'node:crypto';
import { fairLevel, MAX_SPOOLS_PER_MEMBER } from '@filer/protocol';
import type { UploadKey } from '../attachment-store.ts';
import { NO_EFFECTS, type Effects } from '../effects.ts';
import { differencesOf, roomOf, verdictOf, type ReportDigest } from '../report-rules.ts';
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

interface Kept extends StoredReport {
  readonly number: number;
  readonly key: string;
  readonly stamp: ReportDigest;
  readonly bytes: number;
}

interface Spool {
  readonly peer: string;
  lastSeq: number;
  prunedSeq: number;
  prunedTime: number;
}

/** Reports of one page. */
const PAGE = 256;

/** Reports in memory: what it promises has happened when a method returns, and is gone with the process. */
export class MemoryReportStore implements ReportStore {
  readonly #apply: (effects: Effects) => void;
  readonly #onDropped: (key: UploadKey) => void;
  /** In the order of their numbers. */
  #kept: Kept[] = [];
  readonly #byKey = new Map<string, Kept>();
  readonly #spools = new Map<string, Spool>();
  readonly #received = new Map<string, number>();
  #number = 0;

  /**
   * @param apply keeps the effects of reports in the other stores, all of them or none
   * @param onDropped called for each report that goes
   */
  constructor(apply: (effects: Effects) => void, onDropped: (key: UploadKey) => void) {
    this.#apply = apply;
    this.#onDropped = onDropped;
  }

  /** Whether a report of that key is stored, or was. */
  had({ peer, spool, seq }: UploadKey): boolean {
    const prunedSeq = this.#spools.get(`${peer} ${spool}`)?.prunedSeq ?? -1;
    return this.#byKey.has(`${peer} ${spool} ${seq}`) || seq <= prunedSeq;
  }

  async append(batch: readonly NewReport[], effects: Effects = NO_EFFECTS): Promise<StoreOutcome[]> {
    const added = new Map<string, Kept>();
    const spools = new Map<string, Spool>();
    const outcomes = batch.map((each) => this.#add(each, added, spools));
    if (outcomes.some((outcome) => outcome !== 'stored')) return outcomes;
    this.#apply(effects);
    for (const [key, spool] of spools) this.#spools.set(key, spool);
    for (const [key, kept] of added) {
      this.#byKey.set(key, kept);
      this.#kept.push(kept);
      this.#received.set(kept.peer, kept.receivedAt);
      this.#number = kept.number;
    }
    return outcomes;
  }

  #add(each: NewReport, added: Map<string, Kept>, spools: Map<string, Spool>): StoreOutcome {
    const { peer, report, receivedAt } = each;
    const { seq } = report;
    const spoolKey = `${peer} ${report.spool}`;
    const before = spools.get(spoolKey) ?? this.#spools.get(spoolKey);
    if (before === undefined) {
      const known = [...this.#spools, ...spools].filter(([, spool]) => spool.peer === peer);
      if (new Set(known.map(([key]) => key)).size >= MAX_SPOOLS_PER_MEMBER) return 'too-many-spools';
    }
    const spool = { ...(before ?? { peer, lastSeq: -1, prunedSeq: -1, prunedTime: -1 }) };
    spools.set(spoolKey, spool);
    const key = keyOf(each);
    const stamp = stampOf(each);
    const verdict = verdictOf({ ...stamp, seq }, (added.get(key) ?? this.#byKey.get(key))?.stamp, spool);
    if (verdict !== 'new') return verdict === 'known' ? 'stored' : 'conflict';
    const number = this.#number + added.size + 1;
    spool.lastSeq = Math.max(spool.lastSeq, seq);
    added.set(key, { number, id: String(number), key, peer, report, receivedAt, stamp, bytes: roomOf(each) });
    return 'stored';
  }

  async *query(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    yield* pagesOf(this.#kept.filter(filterOf(query)));
  }

  async *latest(query: ReportQuery): AsyncGenerator<StoredReport[], void, void> {
    const newest = new Map<string, Kept>();
    for (const kept of this.#kept.filter(filterOf(query)))
      newest.set(`${kept.peer} ${kept.report.schedule}`, kept);
    yield* pagesOf([...newest.values()].toSorted((a, b) => a.number - b.number));
  }

  async recent({ peer, schedule }: RecentReports, limit: number, before?: string): Promise<StoredReport[]> {
    const peers = peer === undefined ? undefined : [peer];
    return this.#kept
      .filter(filterOf({ peers, schedule }))
      .filter(({ number }) => before === undefined || number < Number(before))
      .slice(-limit)
      .toReversed()
      .map(reportOf);
  }

  async lastReceived(): Promise<ReadonlyMap<string, number>> {
    return this.#received;
  }

  async get(id: string): Promise<StoredReport | undefined> {
    const kept = this.#kept.find((each) => each.id === id);
    return kept && reportOf(kept);
  }

  async differences(report: NewReport): Promise<readonly Difference[]> {
    const stored = this.#byKey.get(keyOf(report));
    return stored === undefined ? [] : differencesOf(stored.stamp, stampOf(report));
  }

  async lastSeq(peer: string, spool: string): Promise<number> {
    return Math.max(0, this.#spools.get(`${peer} ${spool}`)?.lastSeq ?? 0);
  }

  async newest(): Promise<string | undefined> {
    return this.#kept.at(-1)?.id;
  }

  async bytes(): Promise<number> {
    return sum(this.#bytesOfAll().values());
  }

  async isAboveShare(peer: string, bytes: number): Promise<boolean> {
    const all = this.#bytesOfAll();
    return (all.get(peer) ?? 0) + bytes > sum(all.values()) / Math.max(1, all.size);
  }

  #bytesOfAll(): Map<string, number> {
    const all = new Map<string, number>();
    for (const { peer, bytes } of this.#kept) all.set(peer, (all.get(peer) ?? 0) + bytes);
    return all;
  }

  async prune({ before, maxBytes }: Retention, limit: number): Promise<number> {
    const expired = this.#kept
      .filter(({ receivedAt }) => receivedAt < before)
      .toSorted((a, b) => a.receivedAt - b.receivedAt)
      .slice(0, limit);
    for (const kept of expired) this.#drop(kept);
    return expired.length + this.#dropGreediest(maxBytes, limit - expired.length);
  }

  #dropGreediest(maxBytes: number, limit: number): number {
    const all = this.#bytesOfAll();
    const level = fairLevel([...all.values()], maxBytes);
    let total = sum(all.values());
    let dropped = 0;
    for (const [peer, most] of [...all].toSorted(([, a], [, b]) => b - a)) {
      let left = most;
      const spools = [...this.#spools.keys()];
      const oldestFirst = this.#kept
        .filter((kept) => kept.peer === peer)
        .toSorted(
          (a, b) =>
            spools.indexOf(`${peer} ${a.report.spool}`) - spools.indexOf(`${peer} ${b.report.spool}`) ||
            a.report.seq - b.report.seq,
        );
      for (const kept of oldestFirst) {
        if (left <= level || total <= maxBytes || dropped === limit) break;
        this.#drop(kept);
        left -= kept.bytes;
        total -= kept.bytes;
        dropped++;
      }
    }
    return dropped;
  }

  #drop(kept: Kept): void {
    this.#kept = this.#kept.filter((each) => each !== kept);
    this.#byKey.delete(kept.key);
    this.#onDropped({ peer: kept.peer, spool: kept.report.spool, seq: kept.report.seq });
    const spool = this.#spools.get(`${kept.peer} ${kept.report.spool}`);
    if (spool === undefined) return;
    spool.prunedSeq = Math.max(spool.prunedSeq, kept.report.seq);
    spool.prunedTime = Math.max(spool.prunedTime, kept.report.time);
  }
}

const keyOf = ({ peer, report: { spool, seq } }: NewReport): string => `${peer} ${spool} ${seq}`;

function stampOf({ report: { kind, time }, content }: NewReport): ReportDigest {
  return { digest: createHash('sha256').update(content).digest(), kind, time };
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, each) => total + each, 0);

const reportOf = ({ id, peer, report, receivedAt }: Kept): StoredReport => ({ id, peer, report, receivedAt });

function* pagesOf(found: readonly Kept[]): Generator<StoredReport[], void, void> {
  for (let from = 0; from < found.length; from += PAGE) yield found.slice(from, from + PAGE).map(reportOf);
}

function filterOf(query: ReportQuery): (kept: Kept) => boolean {
  const { peers, since = -Infinity, until = Infinity, title = '*', schedule, kind, after = '0' } = query;
  const escaped = title.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su');
  return ({ number, peer, receivedAt, report }) =>
    number > Number(after) &&
    (peers?.includes(peer) ?? true) &&
    receivedAt >= since &&
    receivedAt < until &&
    pattern.test(report.title) &&
    (schedule === undefined || report.schedule === schedule) &&
    (kind === undefined || report.kind === kind);
}

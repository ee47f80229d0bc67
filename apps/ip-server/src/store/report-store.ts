import type { Due, Report } from '@filer/protocol';
import type { Effects } from './effects.ts';

/** A report as it came, on its way into the store. */
export interface NewReport {
  /** Id of the machine that made it. */
  readonly peer: string;
  readonly report: Report;
  /** The bytes that its values were read from. */
  readonly content: Buffer;
  readonly receivedAt: number;
  /** When the next ones of its schedule are due, as its machine said on sending it. */
  readonly due?: Due | undefined;
}

/**
 * `stored` also for one that was stored before; `conflict` for a known seq with another content; `too-many-spools`
 * for one more than `MAX_SPOOLS_PER_MEMBER`.
 */
export type StoreOutcome = 'stored' | 'conflict' | 'too-many-spools';

/** In what a report differs from the one that has its key. */
export type Difference = 'content' | 'kind' | 'time';

/** A report as the store gives it back. */
export interface StoredReport {
  /** Names it here, forever. */
  readonly id: string;
  readonly peer: string;
  readonly report: Report;
  readonly receivedAt: number;
}

/** Which reports; without any field all of them. */
export interface ReportQuery {
  /** Ids of the machines that made them. */
  readonly peers?: readonly string[] | undefined;
  /** Received at or after this, in ms since the epoch. */
  readonly since?: number | undefined;
  /** Received before this, in ms since the epoch. */
  readonly until?: number | undefined;
  /** The whole title; `*` stands for any text and `?` for one character. */
  readonly title?: string | undefined;
  readonly schedule?: string | undefined;
  readonly kind?: Report['kind'] | undefined;
  /** Stored after the report with this id. */
  readonly after?: string | undefined;
}

/** Whose; without any field those of all. */
export interface RecentReports {
  readonly peer?: string | undefined;
  /** Of that machine; empty for those made by hand. @default all of them */
  readonly schedule?: string | undefined;
}

/** Everything outside these bounds is dropped. */
export interface Retention {
  /** Received before this, in ms since the epoch. */
  readonly before: number;
  /** Of all together: the machines with most lose their oldest, down to what is left of it for each of them. */
  readonly maxBytes: number;
}

/** What was reported. Each method rejects with a FilerError when the store fails; nothing has changed then. */
export interface ReportStore {
  /**
   * Stores all of a batch and what follows from it, or nothing: each report once by (peer, spool, seq). When one of them is refused
   * nothing is stored. What is stored survives a power cut.
   *
   * @param effects what follows from the reports, and is kept with them. @default nothing
   * @returns one outcome for each, in order
   */
  append(batch: readonly NewReport[], effects?: Effects): Promise<StoreOutcome[]>;
  /**
   * In the order in which they were stored, page by page: there is no limit to how many there are. What is stored while
   * it is read does not belong to it, and the reader may take its time.
   */
  query(query: ReportQuery): AsyncIterable<readonly StoredReport[]>;
  /** The newest report of each machine and schedule (reports made by hand count as one) among those, oldest first. */
  latest(query: ReportQuery): AsyncIterable<readonly StoredReport[]>;
  /** So many of the newest, the newest first. @param before the id of a report: those that were stored before it */
  recent(of: RecentReports, limit: number, before?: string): Promise<StoredReport[]>;
  /** When the newest report of each machine that has reported was received: one look at the store. */
  lastReceived(): Promise<ReadonlyMap<string, number>>;
  get(id: string): Promise<StoredReport | undefined>;
  /** In what a report that is a `conflict` differs; nothing when the other one has gone meanwhile. */
  differences(report: NewReport): Promise<readonly Difference[]>;
  /** The last seq of a machine's spool of which anything is stored, or was; 0 when nothing is. */
  lastSeq(peer: string, spool: string): Promise<number>;
  /** The id of the report that was stored last: another reader asks for what came `after` it. */
  newest(): Promise<string | undefined>;
  /** Roughly what all reports take on disk. */
  bytes(): Promise<number>;
  /** Whether a machine would have more than an equal part of all, with so many bytes more: where there is no room it waits. */
  isAboveShare(peer: string, bytes: number): Promise<boolean>;
  /** Drops up to `limit` of what is beyond the retention; files of a dropped report are to be removed. @returns how many */
  prune(retention: Retention, limit: number): Promise<number>;
}

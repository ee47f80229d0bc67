import { type Database, integerIn, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';

/** How a recipient of one of a watch's jobs stands, which is to be noted. */
export interface WatchDelivery {
  readonly job: string;
  readonly peer: string;
  /** @see KeptDelivery */
  readonly name: string;
  readonly state: string;
  readonly status: string;
  readonly code: string | null;
  readonly files: number;
}

/** One end of a delivery, told from the end of another try; `r` is its row. */
const END = "r.state || ' ' || coalesce(r.finished_at, '')";

/** The jobs of watched folders, and how each of their deliveries stands. */
export class WatchDeliveryStore {
  readonly #database: Database;
  readonly #events: ClientEvents;

  constructor(database: Database, events: ClientEvents) {
    this.#database = database;
    this.#events = events;
  }

  /** A job is a watch's, for these recipients. */
  own(watch: number, job: string, peers: readonly string[]): void {
    const own = this.#database.prepare('INSERT INTO watch_deliveries (job, peer, watch) VALUES (?, ?, ?)');
    for (const peer of peers) own.run(job, peer, watch);
  }

  /** A delivery does not count for the watch any longer; files that its job brought to no other recipient are forgotten. */
  disown(job: string, peer: string): void {
    this.#database.prepare('DELETE FROM watch_deliveries WHERE job = ? AND peer = ?').run(job, peer);
    this.#forgetFiles(job);
  }

  /** Whether a recipient has not got all of a watch's jobs to an end. */
  isBehind(watch: number, peer: string): boolean {
    const row = this.#database
      .prepare(
        `SELECT 1 FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND d.peer = ? AND r.state IN ('queued', 'running', 'paused') LIMIT 1`,
      )
      .get(watch, peer);
    return row !== undefined;
  }

  /** The job of a recipient alone that no one has begun with: more may be put into it. */
  openJob(watch: number, peer: string): string | undefined {
    const row = this.#database
      .prepare(
        `SELECT d.job FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND d.peer = ? AND r.state = 'queued' AND r.started_at IS NULL
           AND (SELECT count(*) FROM job_recipients o WHERE o.job = d.job) = 1
         ORDER BY r.rowid DESC LIMIT 1`,
      )
      .get(watch, peer);
    return row === undefined ? undefined : textIn(row, 'job');
  }

  /** Files of a watch in jobs that run, wait or are paused. */
  waiting(watch: number): number {
    const row = this.#database
      .prepare(
        `SELECT count(DISTINCT path) AS n FROM job_files WHERE version NOT LIKE 'folder:%' AND job IN (
           SELECT d.job FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
           WHERE d.watch = ? AND r.state IN ('queued', 'running', 'paused'))`,
      )
      .get(watch);
    return integerIn(row ?? {}, 'n');
  }

  /** Deliveries of a watch that ended, otherwise than was noted of them. */
  ended(watch: number): WatchDelivery[] {
    return this.#database
      .prepare(
        `SELECT r.*, r.files_sent + r.files_skipped - r.files_kept AS files
         FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND r.state NOT IN ('queued', 'running', 'paused') AND d.noted <> ${END} ORDER BY r.rowid`,
      )
      .all(watch)
      .map(readDelivery);
  }

  /** Deliveries of a watch that failed for good, newest first. */
  failed(watch: number): WatchDelivery[] {
    return this.#database
      .prepare(
        `SELECT r.*, r.files_failed AS files
         FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND r.state = 'failed' ORDER BY r.finished_at DESC, r.rowid DESC`,
      )
      .all(watch)
      .map(readDelivery);
  }

  /** Records how a delivery ended; of one that succeeded only the counts are kept. */
  noteEnd(watch: number, { job, peer, state, files }: WatchDelivery, now: number): void {
    this.#events.publish('watch', {});
    this.#database.transaction(() => {
      if (state !== 'delivered') {
        this.#database
          .prepare(
            `UPDATE watch_deliveries SET noted =
               (SELECT ${END} FROM job_recipients r WHERE r.job = ?1 AND r.peer = ?2)
             WHERE job = ?1 AND peer = ?2`,
          )
          .run(job, peer);
        return;
      }
      this.disown(job, peer);
      this.#database
        .prepare('UPDATE watches SET shipped = shipped + ?1, last_shipped_at = ?2 WHERE id = ?3 AND ?1 > 0')
        .run(files, now, watch);
    });
  }

  /** Deliveries of a watch that were cancelled, with the removals that were noticed in it up to now. */
  cancelled(watch: number): { readonly job: string; readonly peer: string; readonly removals: number }[] {
    return this.#database
      .prepare(
        `SELECT d.job, d.peer, w.removals FROM watch_deliveries d JOIN watches w ON w.id = d.watch
         JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer WHERE d.watch = ? AND r.state = 'cancelled'`,
      )
      .all(watch)
      .map((row) => ({
        job: textIn(row, 'job'),
        peer: textIn(row, 'peer'),
        removals: integerIn(row, 'removals'),
      }));
  }

  #forgetFiles(job: string): void {
    this.#database
      .prepare(
        'DELETE FROM job_files WHERE job = ?1 AND NOT EXISTS (SELECT 1 FROM watch_deliveries WHERE job = ?1)',
      )
      .run(job);
  }
}

function readDelivery(row: Record<string, unknown>): WatchDelivery {
  return {
    job: textIn(row, 'job'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    state: textIn(row, 'state'),
    status: textIn(row, 'status'),
    code: row['code'] === null ? null : textIn(row, 'code'),
    files: integerIn(row, 'files'),
  };
}

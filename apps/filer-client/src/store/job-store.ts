import { type Database, integerIn, NO_EVENTS, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';
import {
  readCode,
  readDelivery,
  readJob,
  COUNT_COLUMNS,
  type DeliveryEnd,
  type DeliveryState,
  type FailedFile,
  type JobState,
  type KeptDelivery,
  type KeptJob,
} from './job-rows.ts';
import { countsBy, type DeliveryCounts } from '../api/contract/counts.ts';

/** What runs, waits, or is paused: as the index of such jobs says it. */
const OPEN = "state IN ('queued', 'running', 'paused')";

/** Whose turn comes again, of the recipients of a job. */
const REOPENED = {
  undelivered: "state <> 'delivered'",
  interrupted: "state = 'interrupted'",
  paused: "state = 'paused'",
} as const;

/** Jobs, and how each of their recipients stands: all that is needed to run them again. */
export class JobStore {
  readonly #database: Database;

  readonly #events: ClientEvents;

  constructor(database: Database, events: ClientEvents = NO_EVENTS) {
    this.#database = database;
    this.#events = events;
  }

  /** Keeps a new job whose recipients all wait for their turn. */
  create(
    job: Pick<KeptJob, 'id' | 'createdAt' | 'network' | 'queue' | 'request' | 'owner'>,
    recipients: readonly { readonly id: string; readonly name: string }[],
  ): void {
    const { id, createdAt, network, queue, request, owner } = job;
    this.#database.transaction(() => {
      this.#database
        .prepare(
          `INSERT INTO jobs (id, created_at, request, state, network, queue, owner, owner_seen_at)
           VALUES (?, ?, ?, 'running', ?, ?, ?, ?)`,
        )
        .run(id, createdAt, request, network, queue ? 1 : 0, owner, createdAt);
      const insert = this.#database.prepare(
        "INSERT INTO job_recipients (job, peer, name, code, status, state) VALUES (?, ?, ?, NULL, 'waits for its turn', 'queued')",
      );
      for (const recipient of recipients) insert.run(id, recipient.id, recipient.name);
    });
    this.#events.publish('transfer', {});
  }

  job(id: string): KeptJob | undefined {
    const row = this.#database.prepare('SELECT * FROM jobs WHERE id = ?', { bigInts: true }).get(id);
    return row === undefined ? undefined : readJob(row);
  }

  /** Jobs whose id begins like this, newest first. @param prefix letters, digits, `-` and `_` only */
  beginningWith(prefix: string, most: number): KeptJob[] {
    return this.#database
      .prepare('SELECT * FROM jobs WHERE substr(id, 1, ?) = ? ORDER BY created_at DESC LIMIT ?', {
        bigInts: true,
      })
      .all(prefix.length, prefix, most)
      .map(readJob);
  }

  /** Oldest first: the newest `limit` of those made at `since` or later. */
  list({
    since = 0,
    limit = -1,
  }: { readonly since?: number; readonly limit?: number | undefined } = {}): KeptJob[] {
    return this.#database
      .prepare('SELECT * FROM jobs WHERE created_at >= ? ORDER BY created_at DESC, rowid DESC LIMIT ?', {
        bigInts: true,
      })
      .all(since, limit)
      .map(readJob)
      .toReversed();
  }

  /** What runs, or was cut off while it did. */
  running(): KeptJob[] {
    return this.#database
      .prepare("SELECT * FROM jobs WHERE state = 'running' ORDER BY created_at, rowid", { bigInts: true })
      .all()
      .map(readJob);
  }

  /** What was interrupted when a process ended, at `since` or later. */
  interruptedOf(owner: string, since: number): KeptJob[] {
    return this.#database
      .prepare(
        "SELECT * FROM jobs WHERE state = 'interrupted' AND owner = ? AND finished_at >= ? ORDER BY created_at, rowid",
        { bigInts: true },
      )
      .all(owner, since)
      .map(readJob);
  }

  /** What runs, waits or is paused, oldest first. */
  open(): KeptJob[] {
    return this.#database
      .prepare(`SELECT * FROM jobs WHERE ${OPEN} ORDER BY created_at, rowid`, {
        bigInts: true,
      })
      .all()
      .map(readJob);
  }

  /** How many run, wait or are paused. */
  get openCount(): number {
    const row = this.#database.prepare(`SELECT count(*) AS n FROM jobs WHERE ${OPEN}`).get();
    return integerIn(row ?? {}, 'n');
  }

  /** What ended at `since` or later. */
  endedSince(since: number): KeptJob[] {
    return this.#database
      .prepare('SELECT * FROM jobs WHERE finished_at >= ?', { bigInts: true })
      .all(since)
      .map(readJob);
  }

  /** In the order in which they were named. */
  deliveries(job: string): KeptDelivery[] {
    return this.#database
      .prepare('SELECT * FROM job_recipients WHERE job = ? ORDER BY rowid', { bigInts: true })
      .all(job)
      .map(readDelivery);
  }

  /** Peers for which something may wait. */
  awaitedPeers(): string[] {
    return this.#database
      .prepare("SELECT DISTINCT peer FROM job_recipients WHERE state = 'queued'")
      .all()
      .map((row) => textIn(row, 'peer'));
  }

  /**
   * What waits for a peer to be there, in the order in which it was asked for; but for jobs that another process runs.
   *
   * @param owner this process
   */
  waitingFor(peer: string, network: string, owner: string, most: number): KeptDelivery[] {
    return this.#database
      .prepare(
        `SELECT r.* FROM job_recipients r JOIN jobs j ON j.id = r.job
         WHERE r.state = 'queued' AND r.peer = ? AND j.queue = 1 AND j.network = ? AND (j.state = 'queued' OR j.owner = ?)
         ORDER BY r.rowid LIMIT ?`,
        { bigInts: true },
      )
      .all(peer, network, owner, most)
      .map(readDelivery);
  }

  /**
   * Recipients that ended otherwise than well wait for their turn again; what failed for them is forgotten.
   *
   * @param which those that failed or were cancelled too, or those alone that were interrupted or paused
   * @returns false, and nothing is changed, when somebody runs the job
   */
  reopen(job: string, owner: string, now: number, which: keyof typeof REOPENED = 'undelivered'): boolean {
    const reopened = REOPENED[which];
    return this.#database.transaction(() => {
      if (this.job(job)?.state === 'running') return false;
      this.#database
        .prepare(
          `DELETE FROM job_failures WHERE job = ?1 AND peer IN
           (SELECT peer FROM job_recipients WHERE job = ?1 AND ${reopened})`,
        )
        .run(job);
      this.#database
        .prepare(
          `UPDATE job_recipients SET state = 'queued', code = NULL, status = 'waits for its turn', finished_at = NULL
           WHERE job = ? AND ${reopened}`,
        )
        .run(job);
      this.#own(job, owner, now);
      this.#settle(job, now);
      return true;
    });
  }

  /** A recipient's turn has come. @returns false when it does not wait any more: it was cancelled, or another process serves it */
  begin(job: string, peer: string, owner: string, now: number): boolean {
    // A job that is kept begins again after a power cut.
    return this.#database.transactionSoon(() => {
      const { changes } = this.#database
        .prepare(
          `UPDATE job_recipients SET state = 'running', status = 'is served', started_at = COALESCE(started_at, ?1)
           WHERE job = ?2 AND peer = ?3 AND (state = 'queued' OR
             state = 'interrupted' AND EXISTS (SELECT 1 FROM jobs WHERE id = ?2 AND owner = ?4))`,
        )
        .run(now, job, peer, owner);
      if (Number(changes) === 0) return false;
      this.#database
        .prepare('UPDATE jobs SET started_at = COALESCE(started_at, ?) WHERE id = ?')
        .run(now, job);
      this.#own(job, owner, now);
      this.#settle(job, now);
      return true;
    });
  }

  /** Notes how a recipient stands, and with it the job. After a power cut the receipts say it again. */
  end(job: string, peer: string, end: DeliveryEnd, now: number): void {
    this.#database.transactionSoon(() => {
      this.#end(job, peer, end, now);
      this.#settle(job, now);
    });
  }

  /** The same for all recipients in certain states. @returns how many there were */
  endAll(job: string, states: readonly DeliveryState[], end: DeliveryEnd, now: number): number {
    return this.#database.transaction(() => this.#endAll(job, states, end, now));
  }

  /** The same for a job that runs, if no process has noted since that it runs it. */
  endDead({ id, owner, ownerSeenAt }: KeptJob, end: DeliveryEnd, now: number): boolean {
    return this.#database.transaction(() => {
      const job = this.job(id);
      if (job?.state !== 'running' || job.owner !== owner || job.ownerSeenAt !== ownerSeenAt) return false;
      this.#endAll(id, ['running', 'queued'], end, now);
      return true;
    });
  }

  /** The same for all that runs or waits in other networks than this one, or in any. @returns how many jobs */
  endOutside(network: string | undefined, end: DeliveryEnd, now: number): number {
    const outside = this.#database
      .prepare(`SELECT id FROM jobs WHERE ${OPEN} AND (?1 IS NULL OR network <> ?1)`)
      .all(network ?? null)
      .map((row) => textIn(row, 'id'));
    if (outside.length === 0) return 0;
    return this.#database.transaction(() => {
      for (const id of outside) this.#endAll(id, ['running', 'queued', 'paused'], end, now);
      return outside.length;
    });
  }

  /**
   * Notes how far deliveries have come, and that the process that runs their jobs is alive: also one that was taken for
   * dead meanwhile, since its machine slept. What another one has taken over since is left alone.
   */
  progress(
    jobs: readonly string[],
    deliveries: readonly { readonly job: string; readonly peer: string; readonly counts: DeliveryCounts }[],
    owner: string,
    now: number,
  ): void {
    this.#database.transaction(() => {
      const own = new Set(jobs.filter((job) => this.job(job)?.owner === owner));
      const revive = this.#database.prepare(
        "UPDATE job_recipients SET state = 'running', code = NULL, status = 'is served', finished_at = NULL WHERE job = ? AND peer = ? AND state IN ('queued', 'interrupted')",
      );
      for (const { job, peer, counts } of deliveries) {
        if (!own.has(job)) continue;
        this.#count(job, peer, counts);
        if (Number(revive.run(job, peer).changes) > 0) this.#settle(job, now);
      }
      for (const job of own) this.#own(job, owner, now);
    });
  }

  /** Files that failed for a recipient: as many as were kept. */
  failures(job: string, peer: string): FailedFile[] {
    return this.#database
      .prepare('SELECT * FROM job_failures WHERE job = ? AND peer = ? ORDER BY rowid')
      .all(job, peer)
      .map((row) => ({
        path: textIn(row, 'path'),
        code: readCode(textIn(row, 'code')),
        message: textIn(row, 'message'),
      }));
  }

  #own(job: string, owner: string, now: number): void {
    this.#database.prepare('UPDATE jobs SET owner = ?, owner_seen_at = ? WHERE id = ?').run(owner, now, job);
  }

  #count(job: string, peer: string, counts: DeliveryCounts): void {
    const set = Object.values(COUNT_COLUMNS).map((column) => `${column} = ?`);
    const values = Object.values(countsBy((key) => counts[key]));
    this.#database
      .prepare(`UPDATE job_recipients SET ${set.join(', ')} WHERE job = ? AND peer = ?`)
      .run(...values, job, peer);
  }

  #endAll(job: string, states: readonly DeliveryState[], end: DeliveryEnd, now: number): number {
    const ended = this.deliveries(job).filter(({ state }) => states.includes(state));
    for (const { peer } of ended) this.#end(job, peer, end, now);
    this.#settle(job, now);
    return ended.length;
  }

  #end(job: string, peer: string, end: DeliveryEnd, now: number): void {
    const { state, code, status, path, counts, failures = [] } = end;
    this.#database
      .prepare(
        'UPDATE job_recipients SET state = ?, code = ?, status = ?, path = COALESCE(?, path), finished_at = ? WHERE job = ? AND peer = ?',
      )
      .run(
        state,
        code ?? null,
        status,
        path ?? null,
        state === 'queued' || state === 'paused' ? null : now,
        job,
        peer,
      );
    if (counts === undefined) return;
    this.#count(job, peer, counts);
    this.#database.prepare('DELETE FROM job_failures WHERE job = ? AND peer = ?').run(job, peer);
    const insert = this.#database.prepare('INSERT INTO job_failures VALUES (?, ?, ?, ?, ?)');
    for (const failure of failures)
      insert.run(job, peer, failure.path.toWellFormed(), failure.code, failure.message.toWellFormed());
  }

  /** A job stands as its recipients do. */
  #settle(job: string, now: number): void {
    // Readers get to it when the transaction is over, as all of this turn.
    this.#events.publish('transfer', {});
    const states = new Set(
      this.#database
        .prepare('SELECT DISTINCT state FROM job_recipients WHERE job = ?')
        .all(job)
        .map((row) => textIn(row, 'state')),
    );
    const queue = this.job(job)?.queue === true;
    const state = stateOf(states, queue);
    const isOpen = state === 'queued' || state === 'running' || state === 'paused';
    this.#database
      .prepare('UPDATE jobs SET state = ?, finished_at = ? WHERE id = ?')
      .run(state, isOpen ? null : now, job);
  }
}

function stateOf(states: ReadonlySet<string>, queue: boolean): JobState {
  if (states.has('running')) return 'running';
  // Recipients of a job that does not wait are queued only until it is their turn.
  if (states.has('queued')) return queue ? 'queued' : 'running';
  if (states.has('paused')) return 'paused';
  if (states.has('interrupted')) return 'interrupted';
  if (states.has('failed')) return 'failed';
  return states.has('cancelled') ? 'cancelled' : 'done';
}

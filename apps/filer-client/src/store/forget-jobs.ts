import { textIn, type Database } from '@filer/program';

/** Jobs that are forgotten in one go, so that nothing else waits for long. */
const JOBS_AT_ONCE = 100;

/**
 * Forgets jobs that ended before a time, with their failures and receipts; what runs or waits stays, however old.
 *
 * @returns how many it were, and whether there may be more
 */
export function forgetJobs(database: Database, before: number): { jobs: number; more: boolean } {
  return database.transaction(() => {
    const ended = database
      .prepare(
        `SELECT id FROM jobs WHERE finished_at < ? AND state NOT IN ('queued', 'running', 'paused')
         ORDER BY finished_at LIMIT ?`,
      )
      .all(before, JOBS_AT_ONCE);
    forgetAll(
      database,
      ended.map((row) => textIn(row, 'id')),
    );
    // Of what was fetched from here when this machine lost its power: receipts without a job.
    database
      .prepare('DELETE FROM receipts WHERE received_at < ? AND job NOT IN (SELECT id FROM jobs)')
      .run(before);
    return { jobs: ended.length, more: ended.length === JOBS_AT_ONCE };
  });
}

/** How much of the newest jobs stays. */
export interface Kept {
  readonly jobs: number;
  /** Of their rows and those of their failures, in bytes. */
  readonly bytes: number;
}

/** What a job counts beside its texts: its row and that of its recipient, with ids, counts, times and index entries. */
const JOB_BYTES = 512;

/** Forgets all but the newest jobs of a kind that went to a peer. @param kind as the request begins */
export function forgetOldest(database: Database, peer: string, kind: string, keep: Kept): void {
  database.transaction(() => {
    const old = database
      .prepare(
        `SELECT id FROM (
           SELECT j.id, row_number() OVER newest AS number, sum(
             ${JOB_BYTES} + octet_length(j.request) + octet_length(r.status) + (
               SELECT total(64 + octet_length(path) + octet_length(message)) FROM job_failures WHERE job = j.id)
           ) OVER newest AS bytes
           FROM job_recipients r JOIN jobs j ON j.id = r.job
           WHERE r.peer = ? AND substr(j.request, 1, ?) = ? WINDOW newest AS (ORDER BY j.rowid DESC))
         WHERE number > ? OR bytes > ?`,
      )
      .all(peer, kind.length, kind, keep.jobs, keep.bytes)
      .map((row) => textIn(row, 'id'));
    forgetAll(database, old);
  });
}

function forgetAll(database: Database, jobs: readonly string[]): void {
  for (const table of [
    'receipts',
    'removed',
    'job_failures',
    'job_recipients',
    'job_files',
    'watch_deliveries',
    'job_stages',
    'job_stage_steps',
    'job_rollouts',
  ]) {
    const forget = database.prepare(`DELETE FROM ${table} WHERE job = ?`);
    for (const id of jobs) forget.run(id);
  }
  const forget = database.prepare('DELETE FROM jobs WHERE id = ?');
  for (const id of jobs) forget.run(id);
}

import type { DatabaseSync } from 'node:sqlite';
import { text, transaction } from './database.ts';

/** Jobs that are forgotten in one go, so that nothing else waits for long. */
const JOBS_AT_ONCE = 100;

/**
 * Forgets jobs that ended before a time, with their failures and receipts; what runs or waits stays, however old.
 *
 * @returns how many it were, and whether there may be more
 */
export function forgetJobs(database: DatabaseSync, before: number): { jobs: number; more: boolean } {
  return transaction(database, () => {
    const ended = database
      .prepare(
        `SELECT id FROM jobs WHERE finished_at < ? AND state NOT IN ('queued', 'running')
         ORDER BY finished_at LIMIT ?`,
      )
      .all(before, JOBS_AT_ONCE);
    for (const table of ['receipts', 'job_failures', 'job_recipients']) {
      const forget = database.prepare(`DELETE FROM ${table} WHERE job = ?`);
      for (const row of ended) forget.run(text(row, 'id'));
    }
    const forget = database.prepare('DELETE FROM jobs WHERE id = ?');
    for (const row of ended) forget.run(text(row, 'id'));
    // Of what was fetched from here when this machine lost its power: receipts without a job.
    const { changes } = database
      .prepare('DELETE FROM receipts WHERE received_at < ? AND job NOT IN (SELECT id FROM jobs)')
      .run(before);
    if (ended.length > 0 || changes > 0)
      database.exec(
        'DELETE FROM receipt_lists WHERE id NOT IN (SELECT list FROM receipts WHERE list IS NOT NULL)',
      );
    return { jobs: ended.length, more: ended.length === JOBS_AT_ONCE };
  });
}

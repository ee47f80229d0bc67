import { systemCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { JobStore } from '../store/job-store.ts';
import type { KeptJob } from '../store/job-rows.ts';

/*
 * Which process runs a job: `daemon`, or `command:PID` where none runs. It notes that it is alive while it works,
 * so that a job whose process was killed is not taken for one that runs.
 */

export const DAEMON = 'daemon';

export function commandOwner(pid: number): string {
  return `command:${pid}`;
}

/** A process that runs a job notes this often that it does, in ms. */
export const OWNER_NOTES_EVERY_MS = 5_000;

/** One that has not noted it for so long is gone, or stands still: its number may be another's by now. */
const OWNER_SILENT_MS = 6 * OWNER_NOTES_EVERY_MS;

/**
 * Gives free what processes ran that are gone: jobs with `--queue` wait again, others are interrupted.
 *
 * @param daemonLog of the home's daemon, if this process is that: then no other one is
 */
export function releaseDeadJobs(jobs: JobStore, now: number, daemonLog?: Logger): void {
  for (const job of jobs.open()) {
    if (job.state !== 'running' || isAlive(job, daemonLog !== undefined, now)) continue;
    const [state, status] = job.queue
      ? (['queued', 'was cut off, and goes on'] as const)
      : (['interrupted', 'the sender was killed or lost its power half-way'] as const);
    const code = job.queue ? undefined : 'terminated';
    jobs.endAll(job.id, ['running', 'queued'], { state, code, status }, now);
    if (!job.queue)
      daemonLog?.warn('a transfer was cut off when its process ended: `filer-client retry` goes on', {
        job: job.id,
      });
  }
}

function isAlive({ owner, ownerSeenAt }: KeptJob, isDaemon: boolean, now: number): boolean {
  if (owner === DAEMON) return !isDaemon && now - ownerSeenAt < OWNER_SILENT_MS;
  const pid = Number(owner.slice(commandOwner(0).length - 1));
  return now - ownerSeenAt < OWNER_SILENT_MS && pid !== process.pid && runs(pid);
}

function runs(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

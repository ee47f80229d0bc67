import { systemCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { JobStore } from '../store/job-store.ts';
import type { KeptJob } from '../store/job-rows.ts';
import { pulledPath, shownRequest } from './send-request.ts';

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

/** Which process looks, and what it knows of those that run. */
export interface Looker {
  /** Given by the home's daemon: there is no other one. */
  readonly daemonLog?: Logger | undefined;
  /** Whether this process runs a job itself. @default none */
  readonly runsHere?: (job: string) => boolean;
  /** What the end is dated with. @default `now` */
  readonly endedAt?: number;
  /** Told of a job that the daemon before this one was killed in, which waits for this one to go on. */
  readonly takeOver?: (job: string) => void;
}

/**
 * Gives free what processes ran that are gone. Jobs with `--queue` wait again. Those without go on with the next daemon if
 * they were the last one's, and it was seen within their time-out; all others are interrupted.
 */
export function releaseDeadJobs(
  jobs: JobStore,
  now: number,
  { daemonLog, runsHere = () => false, takeOver = () => undefined, endedAt = now }: Looker = {},
): void {
  for (const job of jobs.running()) {
    if (runsHere(job.id) || isAlive(job, daemonLog !== undefined, now)) continue;
    const isCarriedOn = !job.queue && mayCarryOn(job, now);
    if (isCarriedOn && daemonLog === undefined) continue; // the daemon may be back in time
    const goesOn = job.queue || isCarriedOn;
    const [state, status] = goesOn
      ? (['queued', 'was interrupted, and continues'] as const)
      : (['interrupted', 'the sender was killed or lost its power half-way'] as const);
    const code = goesOn ? undefined : 'terminated';
    if (!jobs.endDead(job, { state, code, status }, endedAt)) continue;
    if (isCarriedOn) takeOver(job.id);
    if (goesOn) continue;
    daemonLog?.warn('a transfer was interrupted when its process ended: `filer-client retry` continues it', {
      job: job.id,
    });
  }
}

/** Whether the daemon that ran it was seen so lately that its recipients would still be tried again. */
function mayCarryOn({ owner, ownerSeenAt, request }: KeptJob, now: number): boolean {
  if (owner !== DAEMON || pulledPath(request) !== undefined) return false;
  const timeoutMs = shownRequest(request)?.timeoutMs ?? 0;
  return Math.abs(now - ownerSeenAt) <= timeoutMs + OWNER_NOTES_EVERY_MS;
}

function isAlive({ owner, ownerSeenAt }: KeptJob, isDaemon: boolean, now: number): boolean {
  // A clock that was set back makes the last sign of life lie ahead: it says as little as one that is long ago.
  const wasSeen = Math.abs(now - ownerSeenAt) < OWNER_SILENT_MS;
  if (owner === DAEMON) return !isDaemon && wasSeen;
  const pid = Number(owner.slice(commandOwner(0).length - 1));
  return wasSeen && pid !== process.pid && runs(pid);
}

function runs(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

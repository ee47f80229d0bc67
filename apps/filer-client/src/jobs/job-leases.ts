import { systemCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { JobDocument } from '../api/contract/transfers.ts';
import type { JobStore } from '../store/job-store.ts';
import type { DeliveryEnd, KeptJob } from '../store/job-rows.ts';

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

/** What a daemon was stopped in is continued by the next one within this time, in ms: so long a partial file is kept. */
export const CONTINUED_FOR_MS = 7 * 24 * 3_600_000;

/** Which process looks, and what it knows of those that run. */
export interface Looker {
  /** Given by the home's daemon: there is no other one. */
  readonly daemonLog?: Logger | undefined;
  /** Whether no daemon runs in this home: what the last one ran is released at once. @default false */
  readonly daemonIsGone?: boolean;
  /** Whether this process runs a job itself. @default none */
  readonly runsHere?: (job: string) => boolean;
  /** What the end is dated with. @default `now` */
  readonly endedAt?: number;
}

/**
 * Releases what processes ran that are gone: jobs with `--queue` wait again, all others are interrupted. The next daemon continues those of
 * a daemon.
 */
export function releaseDeadJobs(
  jobs: JobStore,
  now: number,
  { daemonLog, daemonIsGone = daemonLog !== undefined, runsHere = () => false, endedAt = now }: Looker = {},
): void {
  for (const job of jobs.running()) {
    if (runsHere(job.id) || isAlive(job, daemonIsGone, now)) continue;
    const end = endOfDead(job.id, job.owner, job.queue);
    if (!jobs.endDead(job, end, endedAt)) continue;
    if (end.state === 'interrupted')
      daemonLog?.warn('a transfer was interrupted when its process ended', {
        job: job.id,
        remedy: `filer-client retry ${job.id}`,
      });
  }
}

interface DeadEnd extends DeliveryEnd {
  readonly state: 'queued' | 'interrupted';
}

/** How a recipient stands whose job was stopped together with the process that ran it. */
export function interruption(job: string, owner: string): DeadEnd {
  const retry = `\`filer-client retry ${job}\` continues it`;
  const status =
    owner === DAEMON
      ? `the daemon was stopped half-way: the transfer continues when \`filer-client start\` runs here, or ${retry}`
      : `the sending command was stopped half-way: ${retry}`;
  return { state: 'interrupted', code: 'terminated', status };
}

/** A job as it stands while no daemon runs: the last one may have noted a moment ago that it is alive. */
export function withoutDaemon(document: JobDocument, { id, owner, state, queue }: KeptJob): JobDocument {
  if (owner !== DAEMON || state !== 'running') return document;
  const { state: ended, code = null, status } = endOfDead(id, owner, queue);
  return {
    ...document,
    state: ended,
    recipients: document.recipients.map((each) =>
      each.state === 'running' ? { ...each, state: ended, code, status } : each,
    ),
  };
}

function endOfDead(job: string, owner: string, queue: boolean): DeadEnd {
  if (!queue) return interruption(job, owner);
  return { state: 'queued', code: undefined, status: 'was interrupted, and continues' };
}

function isAlive({ owner, ownerSeenAt }: KeptJob, daemonIsGone: boolean, now: number): boolean {
  // A clock that was set back makes the last sign of life lie ahead: it says as little as one that is long ago.
  const wasSeen = Math.abs(now - ownerSeenAt) < OWNER_SILENT_MS;
  if (owner === DAEMON) return !daemonIsGone && wasSeen;
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

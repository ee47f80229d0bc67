import type { Logger } from '@filer/program';
import { releaseDeadJobs } from '../jobs/job-leases.ts';
import type { Halt } from '../jobs/stopped.ts';
import type { Member } from '../network/member.ts';
import type { AlongsideJobs } from './alongside-jobs.ts';
import type { LiveJob } from './live-job.ts';
import type { LiveJobs } from './live-jobs.ts';

export interface JobUpkeepParts {
  readonly member: Pick<Member, 'jobs' | 'clock' | 'events' | 'wasChangedElsewhere'>;
  readonly owner: string;
  readonly isDaemon: boolean;
  readonly live: LiveJobs;
  readonly alongside: AlongsideJobs;
  readonly log: Logger;
}

/** What processes of one home learn of each other's jobs through its database: who runs what, who has died, and what was stopped. */
export class JobUpkeep {
  readonly #parts: JobUpkeepParts;

  constructor(parts: JobUpkeepParts) {
    this.#parts = parts;
  }

  /** Notes how far the deliveries are that run here, and that this process is alive. */
  noteProgress(): void {
    const { live, alongside, member, owner } = this.#parts;
    const ids = [...live.ids, ...alongside.ids];
    if (ids.length > 0) member.jobs.progress(ids, live.running, owner, Date.now());
  }

  /** Stops what runs here and another process was asked to stop. */
  haltStopped(): void {
    const { live, alongside, member } = this.#parts;
    for (const each of live.all()) {
      const how = this.#haltOf(each);
      if (how !== undefined) each.stop(how);
    }
    for (const id of alongside.ids) {
      const state = member.jobs.job(id)?.state;
      if (state === 'cancelled' || state === 'paused') void alongside.stop(id, state);
    }
  }

  /** What commands that are no daemon do to jobs, such as `send -`, is seen in the database alone. */
  tellOthersWork(): void {
    const { member } = this.#parts;
    if (member.wasChangedElsewhere()) member.events.publish('transfer', {});
  }

  /** Jobs whose process has died, or lost them to a database that failed for a while. */
  releaseDead(daemonIsGone: boolean): void {
    const { isDaemon, log, live, alongside, member } = this.#parts;
    const daemonLog = isDaemon ? log : undefined;
    const runsHere = (id: string): boolean => live.get(id) !== undefined || alongside.has(id);
    const endedAt = member.clock.stamp();
    releaseDeadJobs(member.jobs, Date.now(), { daemonLog, daemonIsGone, runsHere, endedAt });
  }

  /** A process that runs a job learns through the database that another one was asked to stop it. */
  #haltOf({ job: { id }, running }: LiveJob): Halt | undefined {
    if (running.length === 0) return undefined;
    for (const { peer, state } of this.#parts.member.jobs.deliveries(id)) {
      const isStopped = state === 'cancelled' || state === 'paused';
      if (isStopped && running.some((delivery) => delivery.peer === peer)) return state;
    }
    return undefined;
  }
}

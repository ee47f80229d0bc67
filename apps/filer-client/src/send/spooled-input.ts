import type { Logger } from '@filer/program';
import type { DeliveryState, KeptJob } from '../store/job-rows.ts';
import type { JobStore } from '../store/job-store.ts';
import { shownRequest, type SendRequest } from '../jobs/send-request.ts';
import { cleanSpool, KEPT_MS, removeSpooled, spooledOf } from './spool-folder.ts';

/** What no one sent again is looked for this often, in ms. */
const CLEAN_EVERY_MS = 24 * 3_600_000;

const ENDED_FOR_GOOD: ReadonlySet<DeliveryState> = new Set(['delivered', 'cancelled']);

/** What is known here of the jobs, and where the copies are. */
interface Keeper {
  readonly jobs: Pick<JobStore, 'deliveries' | 'endedSince' | 'open'>;
  readonly home: { readonly outgoing: string };
  readonly clock: { now(): number };
}

/** How long what came from standard input, or was dropped in a page, is kept: as long as a job may need it, and a week. Nothing here rejects. */
export class SpooledInput {
  readonly #member: Keeper;
  readonly #log: Logger;
  #cleaning: NodeJS.Timeout | undefined;

  constructor(member: Keeper, log: Logger) {
    this.#member = member;
    this.#log = log;
  }

  /** Begins to remove what is old, now and every day. */
  start(): void {
    this.#cleaning ??= setInterval(() => void this.clean(), CLEAN_EVERY_MS);
    void this.clean();
  }

  stop(): void {
    clearInterval(this.#cleaning);
  }

  /** A job rests: what it sent goes when everyone has it, or no one is to have it any more. */
  async release(job: string, request: SendRequest): Promise<void> {
    try {
      const deliveries = this.#member.jobs.deliveries(job);
      if (deliveries.every(({ state }) => ENDED_FOR_GOOD.has(state))) await this.#remove(job, request);
    } catch (error) {
      this.#notRemoved(job, error);
    }
  }

  /** The same for a job that does not run. */
  async releaseKept(job: KeptJob | undefined): Promise<void> {
    const request = job === undefined ? undefined : shownRequest(job.request);
    if (job !== undefined && request?.spooled === true) await this.release(job.id, request);
  }

  /** Removes what a job sent that cannot go any more, since this machine has left its network. */
  async releaseLeft({ id, request: kept }: KeptJob): Promise<void> {
    const request = shownRequest(kept);
    if (request?.spooled === true) await this.#remove(id, request);
  }

  /** Removes what is old. */
  async clean(): Promise<void> {
    try {
      const { jobs, home, clock } = this.#member;
      const now = clock.now();
      const needed = [...jobs.open(), ...jobs.endedSince(now - KEPT_MS)].flatMap(({ request }) => {
        const kept = shownRequest(request);
        return kept?.spooled === true ? spooledOf(kept) : [];
      });
      await cleanSpool(home.outgoing, new Set(needed), now);
    } catch (error) {
      this.#log.error('old standard input was not removed', { error });
    }
  }

  async #remove(job: string, request: SendRequest): Promise<void> {
    try {
      await removeSpooled(spooledOf(request), request.dropped);
    } catch (error) {
      this.#notRemoved(job, error);
    }
  }

  #notRemoved(job: string, error: unknown): void {
    this.#log.warn('stored standard input that is not needed any more was not removed', { job, error });
  }
}

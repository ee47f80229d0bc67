import { FilerError } from '@filer/protocol';
import { Listeners } from '@filer/program';
import type { Growing } from '@filer/transfer';
import type { StopReason } from '../jobs/stopped.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import { TransferTurns } from './job-turns.ts';
import { LiveJob, type LiveJobParts } from './live-job.ts';
import type { SpooledInput } from './spooled-input.ts';

interface LiveJobsOptions extends Omit<LiveJobParts, 'turns' | 'growing' | 'wasCutOff'> {
  readonly spooled: SpooledInput;
}

/** The jobs that this process runs, each for as long as it serves a recipient. */
export class LiveJobs {
  readonly #options: LiveJobsOptions;
  readonly #jobs = new Map<string, LiveJob>();
  readonly #turns = new TransferTurns();
  readonly #releasing = new Set<Promise<void>>();
  readonly #idle = new Listeners<[request: SendRequest]>();
  /** Tells that a job has nothing to send for now. */
  readonly onIdle = this.#idle.add;

  constructor(options: LiveJobsOptions) {
    this.#options = options;
  }

  get ids(): string[] {
    return [...this.#jobs.keys()];
  }

  all(): LiveJob[] {
    return [...this.#jobs.values()];
  }

  get(id: string): LiveJob | undefined {
    return this.#jobs.get(id);
  }

  /** The deliveries that run. */
  get running(): LiveJob['running'] {
    return this.all().flatMap((live) => live.running);
  }

  /** How many of them serve a peer. */
  servingOf(peerId: string): number {
    return this.all().filter((live) => live.isServing(peerId)).length;
  }

  /** A job as it runs here: it begins if it does not. @throws FilerError `store-damaged` for a row that cannot be read */
  of(id: string, growing?: Growing, wasCutOff = false): LiveJob {
    const known = this.#jobs.get(id);
    if (known?.isStopped === false) return known;
    const job = this.#store.job(id);
    if (job === undefined) throw new Error(`the job ${id} was kept a moment ago`);
    const live = new LiveJob(job, { ...this.#options, turns: this.#turns, growing, wasCutOff });
    this.#jobs.set(id, live);
    return live;
  }

  /** The same. @returns undefined for a job whose row cannot be read: it has failed */
  ofOrEnd(id: string, wasCutOff = false): LiveJob | undefined {
    try {
      return this.of(id, undefined, wasCutOff);
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'store-damaged') throw error;
      const { outreach, log } = this.#options;
      const { code, message: status } = error;
      log.warn('a job has failed', { job: id, reason: status });
      const end = { state: 'failed', code, status } as const;
      this.#store.endAll(id, ['queued', 'running'], end, outreach.member.clock.stamp());
      return undefined;
    }
  }

  /** Forgets a job once it serves no one. */
  release(live: LiveJob): void {
    const releasing = this.#releaseIdle(live).finally(() => this.#releasing.delete(releasing));
    this.#releasing.add(releasing);
  }

  async stop(id: string, reason: StopReason): Promise<void> {
    const live = this.#jobs.get(id);
    live?.stop(reason);
    await live?.ended();
  }

  async stopAll(reason: StopReason): Promise<void> {
    await Promise.all(this.ids.map((id) => this.stop(id, reason)));
  }

  /** Stops all: what can wait waits in the database. */
  async close(): Promise<void> {
    await Promise.allSettled(this.ids.map((id) => this.stop(id, 'leaving')));
    await Promise.all(this.#releasing);
  }

  /** Never rejects: what fails here is not to end a daemon. */
  async #releaseIdle(live: LiveJob): Promise<void> {
    const { log, spooled } = this.#options;
    try {
      await live.ended();
    } catch (error) {
      log.error('a job failed for a fault of this program', { job: live.job.id, error });
    }
    if (!live.isIdle) return;
    this.#idle.tell(live.request);
    if (this.#jobs.get(live.job.id) === live) this.#jobs.delete(live.job.id);
    if (live.request.spooled) await spooled.release(live.job.id, live.request);
  }

  get #store(): LiveJobParts['outreach']['member']['jobs'] {
    return this.#options.outreach.member.jobs;
  }
}

import type { Halt } from '../jobs/stopped.ts';

interface Alongside {
  readonly stop: (why: Halt) => void;
  readonly ended: Promise<void>;
  isStopped: boolean;
}

/** Jobs that run in this process and send nothing: gets. */
export class AlongsideJobs {
  readonly #jobs = new Map<string, Alongside>();

  get ids(): string[] {
    return [...this.#jobs.keys()];
  }

  has(id: string): boolean {
    return this.#jobs.has(id);
  }

  /** Notes a job until it is disposed of. @param stop called when somebody cancels or pauses it */
  begin(id: string, stop: (why: Halt) => void): Disposable {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const job: Alongside = { stop, ended, isStopped: false };
    this.#jobs.set(id, job);
    return {
      [Symbol.dispose]: () => {
        if (this.#jobs.get(id) === job) this.#jobs.delete(id);
        resolve();
      },
    };
  }

  /** Stops a job, if it runs here. @returns resolves when it has ended */
  async stop(id: string, why: Halt): Promise<void> {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.isStopped = true;
    job.stop(why);
    await job.ended;
  }

  /** Resolves when a job that was stopped has ended; at once for another one. */
  async stopped(id: string): Promise<void> {
    const job = this.#jobs.get(id);
    if (job?.isStopped === true) await job.ended;
  }
}

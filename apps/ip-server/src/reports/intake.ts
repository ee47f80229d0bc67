import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, MAX_SPOOLS_PER_MEMBER } from '@filer/protocol';
import type { NewReport, ReportStore } from '../store/report-store.ts';

/** Reports that come within this time are committed together. */
const BATCH_MS = 5;

/** A batch is committed at once when it has so many reports, or bytes of them: about 20 ms in which all else waits. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

/**
 * While another program holds the database: tries, and pauses between them, in which all else goes on. With the
 * server's busy time-out about 5 s in all.
 */
const LOCKED_TRIES = 20;
const LOCKED_PAUSE_MS = 150;

interface Waiting {
  readonly report: NewReport;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Takes reports in and commits them in batches. Nothing is acknowledged that is not on the disk. */
export class ReportIntake {
  readonly #store: ReportStore;
  readonly #onProblem: (problem: FilerError | undefined) => void;
  readonly #follow: (stored: readonly NewReport[]) => () => void;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #problem: FilerError | undefined;

  /**
   * @param onProblem told when the store begins to fail, and (undefined) when it works again
   * @param follow gets reports while they are stored, in the same transaction; what it returns is called once they are
   */
  constructor(
    store: ReportStore,
    onProblem: (problem: FilerError | undefined) => void,
    follow: (stored: readonly NewReport[]) => () => void = () => () => undefined,
  ) {
    this.#store = store;
    this.#onProblem = onProblem;
    this.#follow = follow;
  }

  /** Why the last batch could not be stored; undefined when it was. */
  get problem(): FilerError | undefined {
    return this.#problem;
  }

  /**
   * Resolves once the report survives a power cut.
   *
   * @throws FilerError `report-conflict`, or why the store fails
   */
  add(report: NewReport): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ report, resolve, reject });
    this.#committing ??= this.#run();
    return promise;
  }

  /** Up to which seq there is anything of a spool; 0 for none. What is on its way here does not count. */
  lastSeq(peer: string, spool: string): number {
    return this.#store.lastSeq(peer, spool);
  }

  /** Resolves when everything that was added is decided. */
  async drain(): Promise<void> {
    await this.#committing;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#nextBatch() === this.#waiting.length && this.#waiting.length < MAX_BATCH)
        await wait(BATCH_MS);
      await this.#commit(this.#waiting.splice(0, this.#nextBatch()));
    }
    this.#committing = undefined;
  }

  /** How many of those that wait make the next batch: one at the least. */
  #nextBatch(): number {
    let bytes = 0;
    const limit = Math.min(this.#waiting.length, MAX_BATCH);
    for (let count = 0; count < limit; count++) {
      bytes += this.#waiting[count]?.report.content.length ?? 0;
      if (bytes > MAX_BATCH_BYTES) return Math.max(1, count);
    }
    return limit;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const reports = batch.map((each) => each.report);
    for (let tries = 1; ; tries++) {
      try {
        let committed = (): void => undefined;
        const outcomes = this.#store.store(reports, (stored) => (committed = this.#follow(stored)));
        committed();
        this.#tell(undefined);
        batch.forEach(({ report, resolve, reject }, index) => {
          const outcome = outcomes[index];
          if (outcome === 'stored') resolve();
          else reject(outcome === 'conflict' ? this.#conflict(report) : tooManySpools());
        });
        return;
      } catch (error) {
        const locked = error instanceof FilerError && error.code === 'timed-out';
        if (locked && tries < LOCKED_TRIES) {
          await wait(LOCKED_PAUSE_MS);
          continue;
        }
        if (error instanceof FilerError) this.#tell(error);
        // With all that waits: what came later must not be stored before.
        for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error);
        return;
      }
    }
  }

  #conflict(report: NewReport): FilerError {
    const differences = this.#store.differences(report);
    const how =
      differences.length === 0
        ? 'was stored and has gone since'
        : `is stored with another ${differences.join(' and ')}`;
    return new FilerError(
      'report-conflict',
      `report ${report.report.seq} of this spool ${how}: open a new spool`,
    );
  }

  #tell(problem: FilerError | undefined): void {
    if (problem?.code === this.#problem?.code) return;
    this.#problem = problem;
    this.#onProblem(problem);
  }
}

function tooManySpools(): FilerError {
  return new FilerError(
    'refused',
    `this machine has opened ${MAX_SPOOLS_PER_MEMBER} spools, more than a server remembers: give it a new identity with "filer-client join --new-identity"`,
  );
}

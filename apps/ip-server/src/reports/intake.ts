import { setTimeout as wait } from 'node:timers/promises';
import {
  FilerError,
  MAX_SPOOLS_PER_MEMBER,
  MAX_WAITING_REPORT_BYTES,
  MAX_WAITING_REPORT_BYTES_PER_MACHINE,
  REPORT_OVERHEAD_BYTES,
  Shares,
} from '@filer/protocol';
import type { ServerEvents } from '../api/contract/events.ts';
import type { NewReport, ReportStore, StoreOutcome } from '../store/report-store.ts';

/** Reports that come within this time are committed together. */
const BATCH_MS = 5;

/** A batch is committed at once when it has so many reports, or bytes of them: about 20 ms in which all else waits. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

/** While another program holds the database, or it does not answer: how long it is tried, and pauses in which all else continues. */
const LOCKED_MS = 5_000;
const LOCKED_PAUSE_MS = 150;

interface Waiting {
  readonly report: NewReport;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface IntakeParts {
  readonly store: Pick<ReportStore, 'differences' | 'lastSeq'>;
  /** As `append` of the store, with what follows from the reports. */
  readonly append: (reports: readonly NewReport[]) => Promise<StoreOutcome[]>;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
  /** Called when reports were stored, with the bytes of their contents. @default nothing */
  readonly onStored?: (bytes: number) => void;
  /**
   * Why a report of a machine has no room now.
   *
   * @default there is always room
   */
  readonly refusal?: (bytes: number, peer: string) => Promise<FilerError | undefined>;
  /** @default nothing is published */
  readonly events?: ServerEvents;
}

/** Takes reports in and commits them in batches. Nothing is acknowledged that is not on the disk. */
export class ReportIntake {
  readonly #parts: IntakeParts;
  /** Bytes that wait for the disk, by their machine. */
  readonly #shares = new Shares({
    perHolder: MAX_WAITING_REPORT_BYTES_PER_MACHINE,
    inAll: MAX_WAITING_REPORT_BYTES,
  });
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #problem: FilerError | undefined;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** Why the last batch could not be stored; undefined when it was. */
  get problem(): FilerError | undefined {
    return this.#problem;
  }

  /**
   * Resolves once the report survives a power cut.
   *
   * @throws FilerError `report-conflict`, `rate-limited` when too much of the machine waits here, `no-space`, or why the
   *   store fails
   */
  async add(report: NewReport): Promise<void> {
    const bytes = report.content.length + REPORT_OVERHEAD_BYTES;
    if (!this.#shares.tryAdd(report.peer, bytes)) throw tooManyWait();
    try {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#waiting.push({ report, resolve, reject });
      this.#committing ??= this.#run();
      await promise;
    } finally {
      this.#shares.giveBack(report.peer, bytes);
    }
  }

  /** Up to which seq there is anything of a spool; 0 for none. What is on its way here does not count. */
  lastSeq(peer: string, spool: string): Promise<number> {
    return this.#parts.store.lastSeq(peer, spool);
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

  async #commit(waiting: readonly Waiting[]): Promise<void> {
    let batch = await this.#thatFit(waiting);
    for (const beganAt = performance.now(); batch.length > 0;) {
      try {
        const outcomes = await this.#parts.append(batch.map((each) => each.report));
        const stored = batch.filter((_, index) => outcomes[index] === 'stored');
        this.#tell(undefined);
        if (stored.length === batch.length) {
          this.#parts.onStored?.(stored.reduce((sum, { report }) => sum + report.content.length, 0));
          this.#parts.events?.publish('report', {
            count: stored.length,
            peers: [...new Set(stored.map(({ report: { peer } }) => peer))],
          });
          for (const { resolve } of batch) resolve();
          return;
        }
        // One that is refused holds the others up no longer.
        for (const [index, { report, reject }] of batch.entries())
          if (outcomes[index] !== 'stored')
            reject(outcomes[index] === 'conflict' ? await this.#conflict(report) : tooManySpools());
        batch = stored;
      } catch (error) {
        const locked = error instanceof FilerError && error.code === 'timed-out';
        if (locked && performance.now() - beganAt < LOCKED_MS) {
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

  /** Those for which there is room; the others are refused. */
  async #thatFit(waiting: readonly Waiting[]): Promise<Waiting[]> {
    const { refusal } = this.#parts;
    if (refusal === undefined) return [...waiting];
    const fit: Waiting[] = [];
    for (const each of waiting) {
      const { content, peer } = each.report;
      const why = await refusal(content.length + REPORT_OVERHEAD_BYTES, peer);
      if (why === undefined) fit.push(each);
      else each.reject(why);
    }
    return fit;
  }

  async #conflict(report: NewReport): Promise<FilerError> {
    const differences = await this.#parts.store.differences(report);
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
    this.#problem = problem;
    this.#parts.onProblem(problem);
  }
}

function tooManyWait(): FilerError {
  return new FilerError(
    'rate-limited',
    'too many reports of this machine wait for the disk of the server: they go a little later',
  );
}

function tooManySpools(): FilerError {
  return new FilerError(
    'refused',
    `this machine has opened ${MAX_SPOOLS_PER_MEMBER} spools, more than a server remembers: give it a new identity with \`filer-client join - --new-identity\``,
  );
}

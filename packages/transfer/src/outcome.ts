import type { ErrorCode, FilerError } from '@filer/protocol';

/** What became of one file. */
export interface FileResult {
  /** As the sender named it. */
  readonly name: string;
  readonly size: number;
  /** `skipped`: it was there already. */
  readonly status: 'delivered' | 'skipped' | 'failed';
  /** Relative to the receiver's inbox; undefined for a file that failed. */
  readonly path?: string;
  /** `blake3:HEX`; undefined unless it was delivered. */
  readonly digest?: string;
  /** Why it failed. */
  readonly code?: ErrorCode;
  readonly message?: string;
}

/** Results of each kind that an outcome lists; events tell all. A million files must not fill the memory. */
const MAX_LISTED = 1_000;

export interface Outcome {
  /** Every file is delivered or was there. */
  readonly ok: boolean;
  /** Why the transfer as a whole ended early. */
  readonly error?: FilerError;
  /** The first thousand that failed and the first thousand that did not, in the order in which they ended. */
  readonly files: readonly FileResult[];
  readonly filesDelivered: number;
  readonly filesSkipped: number;
  readonly filesFailed: number;
}

/** Counts results while they come. */
export class Tally {
  readonly #files: FileResult[] = [];
  readonly #counts = { delivered: 0, skipped: 0, failed: 0 };

  add(result: FileResult): void {
    this.#counts[result.status]++;
    const { delivered, skipped, failed } = this.#counts;
    if ((result.status === 'failed' ? failed : delivered + skipped) <= MAX_LISTED) this.#files.push(result);
  }

  outcome(error: FilerError | undefined): Outcome {
    const { delivered, skipped, failed } = this.#counts;
    return {
      ok: error === undefined && failed === 0,
      ...(error === undefined ? {} : { error }),
      files: this.#files,
      filesDelivered: delivered,
      filesSkipped: skipped,
      filesFailed: failed,
    };
  }
}

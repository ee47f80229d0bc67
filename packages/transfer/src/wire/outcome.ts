import type { ErrorCode, FilerError } from '@filer/protocol';

/** What became of one file. */
export interface FileResult {
  /** As the sender named it. */
  readonly name: string;
  readonly size: number;
  /** `skipped`: it was there already, or the receiver keeps what has its name. */
  readonly status: 'delivered' | 'skipped' | 'failed';
  /** Skipped by the conflict rule: what is there may be another content, and no one signed for it. */
  readonly kept?: true;
  /** Relative to the receiver's inbox; undefined for a file that failed. */
  readonly path?: string;
  /** `blake3:HEX`, as the receiver signed it; undefined where it did not. */
  readonly digest?: string;
  /** Why it failed. */
  readonly code?: ErrorCode;
  readonly message?: string;
  /** Whose word `code` is, of a file that failed. Only `transfer` and `here` are this machine's own. */
  readonly failedBy?: FailedBy;
}

/** `transfer`: the file fell with the transfer, whose error says why. */
export type FailedBy = 'here' | 'peer' | 'transfer';

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
  /** Those of the skipped where the receiver keeps what has their name. */
  readonly filesKept: number;
  readonly filesFailed: number;
}

/** Counts results while they come. */
export class Tally {
  readonly #files: FileResult[] = [];
  readonly #counts = { delivered: 0, skipped: 0, failed: 0 };
  #kept = 0;

  add(result: FileResult): void {
    this.#counts[result.status]++;
    if (result.kept === true) this.#kept++;
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
      filesKept: this.#kept,
      filesFailed: failed,
    };
  }
}

import type { ReceiptBatch } from '@filer/protocol';
import { checkReceipts, type Expected } from '../receipts/check-receipts.ts';
import type { StallWatchdog } from '../wire/stall-watchdog.ts';
import type { SentEntries } from './sent-entries.ts';

/** Batches of receipts that may be on their way to the disk while more come in. */
const MAX_KEEPING = 16;

/** Stores verified receipts. `fileOf` tells where an entry is here. */
export type KeepReceipts = (
  receipts: ReceiptBatch,
  fileOf: (entry: number) => string,
) => void | Promise<void>;

interface Options {
  readonly expected: Expected;
  readonly pace: StallWatchdog;
  readonly keep: KeepReceipts | undefined;
  /** They could not be stored. */
  readonly failed: (error: unknown) => void;
}

/** Checks receipts and has them stored; only then their files count. */
export class ReceiptKeeping {
  readonly #entries: SentEntries;
  readonly #options: Options;
  /** Receipts that are being kept; they never reject. */
  readonly #keeping = new Set<Promise<void>>();

  constructor(entries: SentEntries, options: Options) {
    this.#entries = entries;
    this.#options = options;
  }

  /** @throws FilerError `verification-failed` */
  async take(batch: ReceiptBatch): Promise<void> {
    checkReceipts(batch, this.#options.expected, this.#entries);
    for (const { entry } of batch.files) {
      const sent = this.#entries.get(entry);
      if (sent !== undefined) sent.isProved = true;
    }
    // The next ones are read while these go to the disk, so that many go there together.
    const keeping = this.#keep(batch);
    this.#keeping.add(keeping);
    void keeping.then(() => this.#keeping.delete(keeping));
    if (this.#keeping.size >= MAX_KEEPING) await Promise.race(this.#keeping);
  }

  /** Resolves when all that were taken are kept, or failed to be. */
  async settled(): Promise<void> {
    await Promise.all(this.#keeping);
  }

  /** Never rejects. */
  async #keep(batch: ReceiptBatch): Promise<void> {
    const { pace, keep, failed } = this.#options;
    const fileOf = (entry: number): string => this.#entries.get(entry)?.source.file ?? '';
    try {
      await pace.work(Promise.resolve(keep?.(batch, fileOf)));
    } catch (error) {
      failed(error);
      return;
    }
    for (const receipt of batch.files) this.#entries.proved(receipt);
    if (batch.files.length > 0) pace.grown();
  }
}

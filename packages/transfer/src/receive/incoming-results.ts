import {
  formatFailed,
  formatGot,
  formatReceipts,
  STREAM_OVERHEAD_BYTES,
  type EntryFailure,
  type FilerError,
  type Got,
  type KeyPair,
  type Message,
  type Offer,
  type ReceiptFile,
  type Unsent,
} from '@filer/protocol';
import { shownName } from '../disk/safe-path.ts';
import { ReceiptBatches } from '../receipts/receipt-batches.ts';
import { signReceipts } from '../receipts/receipts.ts';
import type { EarlyEnd } from '../wire/early-end.ts';
import { Tally, type FileResult, type Outcome } from '../wire/outcome.ts';
import type { StallWatchdog } from '../wire/stall-watchdog.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { IncomingTotals } from './incoming-totals.ts';
import type { ReceiveEvent } from './receive-event.ts';

export interface IncomingResultsParts {
  readonly network: string;
  readonly senderId: string;
  /** Who signs receipts. */
  readonly keyPair: KeyPair;
  readonly totals: IncomingTotals;
  readonly watchdog: StallWatchdog;
  readonly end: EarlyEnd;
  /** Says something to the sender, without waiting. */
  readonly tell: (message: Message) => void;
  readonly on: (event: ReceiveEvent) => void;
  /** Notes a file that is in place, before its receipt is given. */
  readonly record: (file: ReceiptFile, offer: Offer) => void | Promise<void>;
  /** Told about files whose receipts are given next. */
  readonly note: (files: readonly ReceiptFile[]) => void;
}

/** The outcome of each file: told to the sender, given receipts, counted, and told to observers. */
export class IncomingResults implements IncomingOwner, Disposable {
  readonly #parts: IncomingResultsParts;
  readonly #receipts = new ReceiptBatches((files) => this.#issue(files));
  readonly #tally = new Tally();
  #offer: Offer | undefined;

  constructor(parts: IncomingResultsParts) {
    this.#parts = parts;
  }

  /** An offer is judged: files that come are of it. */
  ofOffer(offer: Offer): this {
    this.#offer = offer;
    return this;
  }

  outcome(reason: FilerError | undefined): Outcome {
    return this.#tally.outcome(reason);
  }

  /** Gives the receipts of what is in place by now. */
  flush(): void {
    this.#receipts.flush();
  }

  started(entry: number, name: string, size: number): void {
    this.#parts.on({ type: 'started', entry, name, size });
  }

  got(got: Got): void {
    this.#parts.tell(formatGot(got));
  }

  progress(entry: number, name: string, fileBytes: number, fileSize: number): void {
    const { bytes, bytesReceived, files: filesTotal, isComplete: complete } = this.#parts.totals;
    const bytesTotal = Math.max(this.#offer?.bytes ?? 0, bytes);
    const totals = { bytesReceived, bytesTotal, filesTotal, complete };
    this.#parts.on({ type: 'progress', entry, name, fileBytes, fileSize, ...totals });
  }

  async inPlace(file: ReceiptFile, isCopy = false): Promise<void> {
    const { present, ...came } = file;
    if (this.#offer !== undefined)
      await this.#parts.record(isCopy || present === undefined ? came : file, this.#offer);
    this.#receipts.add(file);
  }

  wasThere(file: ReceiptFile): void {
    this.#receipts.add(file);
  }

  wereThere(files: readonly ReceiptFile[]): void {
    this.#receipts.addTogether(files);
  }

  failed(failure: EntryFailure): void {
    this.#parts.tell(formatFailed(failure));
  }

  result(told: FileResult): void {
    const result = told.status === 'failed' ? { ...told, name: shownName(told.name) } : told;
    if (result.status !== 'failed') this.#parts.watchdog.moved(STREAM_OVERHEAD_BYTES);
    this.#tally.add(result);
    this.#parts.on({ type: 'file', result });
  }

  /** What the sender cannot send, or leaves out. @throws FilerError `too-large` */
  unsent({ path: name, code, message, leftOut }: Unsent): void {
    this.#parts.totals.unsent(name);
    if (leftOut) this.#parts.on({ type: 'left-out', name: shownName(name), why: message });
    else this.result({ name, size: 0, status: 'failed', code, message, failedBy: 'peer' });
  }

  async follow(work: Promise<void>): Promise<void> {
    try {
      await this.#parts.watchdog.work(work);
    } catch (error) {
      this.#parts.end.by(error);
    }
  }

  #issue(files: readonly ReceiptFile[]): void {
    const { network, senderId: sender, keyPair, tell } = this.#parts;
    const job = this.#offer?.job ?? '';
    // What cannot be noted gets no receipt: the timer of the batches calls this, and catches nothing.
    try {
      this.#parts.note(files);
    } catch (error) {
      this.#parts.end.by(error);
      return;
    }
    tell(formatReceipts(signReceipts({ network, job, sender, time: Date.now(), files }, keyPair)));
  }

  [Symbol.dispose](): void {
    this.#receipts[Symbol.dispose]();
  }
}

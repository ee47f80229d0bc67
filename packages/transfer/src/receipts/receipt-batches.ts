import { MAX_BATCH_NAME_CHARS, MAX_RECEIPTS_PER_BATCH, type ReceiptFile } from '@filer/protocol';

/** The longest that a file waits for its receipt, in ms. */
const BATCH_MS = 200;

/** Gathers files that are in place, so that one signature stands for many. */
export class ReceiptBatches implements Disposable {
  readonly #issue: (files: readonly ReceiptFile[]) => void;
  #files: ReceiptFile[] = [];
  /** Of their names. */
  #chars = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param issue signs and sends one batch, at most `MAX_RECEIPTS_PER_BATCH` files; must not throw */
  constructor(issue: (files: readonly ReceiptFile[]) => void) {
    this.#issue = issue;
  }

  add(file: ReceiptFile): void {
    this.#files.push(file);
    this.#chars += file.name.length + file.path.length;
    const isFull = this.#files.length >= MAX_RECEIPTS_PER_BATCH || this.#chars >= MAX_BATCH_NAME_CHARS;
    if (isFull) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), BATCH_MS);
  }

  /**
   * Issues the receipts of one batch of entries, and of nothing else: for a tree that did not change they are the
   * same each time, and are kept once.
   */
  addTogether(files: readonly ReceiptFile[]): void {
    for (let at = 0; at < files.length; at += MAX_RECEIPTS_PER_BATCH) {
      this.#issue(files.slice(at, at + MAX_RECEIPTS_PER_BATCH));
    }
  }

  /** Issues what waits, at once. */
  flush(): void {
    this[Symbol.dispose]();
    const files = this.#files;
    this.#files = [];
    this.#chars = 0;
    if (files.length > 0) this.#issue(files);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

import {
  FilerError,
  MAX_TRANSFER_ENTRIES,
  MAX_TRANSFER_NAME_CHARS,
  type Entries,
  type EntryAnswer,
} from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';

/** What a sender tells of, counted and bounded. */
export class IncomingTotals {
  readonly #maxEntries: number;
  #nextEntry = 0;
  #entriesTold = 0;
  #nameCharsTold = 0;
  #isComplete = false;
  #files = 0;
  #bytes = 0;
  /** Content that came. */
  bytesReceived = 0;

  /** @param maxEntries that one transfer may tell of */
  constructor(maxEntries = MAX_TRANSFER_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  /** Files that come or are there. */
  get files(): number {
    return this.#files;
  }

  /** Their sizes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether all is announced. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** A batch of entries is announced. @throws FilerError `unexpected-message`, `too-large` */
  batch({ first, last, entries }: Entries): void {
    if (this.#isComplete || first !== this.#nextEntry)
      throw outOfPlace(`a batch that begins at entry ${first}`);
    this.#nextEntry += entries.length;
    this.#isComplete = last;
    this.#told(
      entries.length,
      entries.reduce((chars, { path }) => chars + path.length, 0),
    );
  }

  /** The batch was answered: what is not wanted does not count. */
  answered({ entries }: Entries, answers: readonly EntryAnswer[]): void {
    entries.forEach(({ kind, size }, index) => {
      if (answers[index]?.answer === 'unwanted') return;
      this.#bytes = Math.min(this.#bytes + size, Number.MAX_SAFE_INTEGER);
      if (kind !== 'dir') this.#files++;
    });
  }

  /** The sender tells of something that it cannot send. @throws FilerError `too-large` */
  unsent(name: string): void {
    this.#told(1, name.length);
  }

  #told(entries: number, nameChars: number): void {
    this.#entriesTold += entries;
    this.#nameCharsTold += nameChars;
    if (this.#entriesTold > this.#maxEntries)
      throw new FilerError(
        'too-large',
        `more than ${this.#maxEntries} files and folders are announced in one transfer: send fewer at a time, or pack them`,
      );
    if (this.#nameCharsTold > MAX_TRANSFER_NAME_CHARS)
      throw new FilerError(
        'too-large',
        `names of more than ${MAX_TRANSFER_NAME_CHARS} characters are announced in one transfer: send fewer files at a time, or pack them`,
      );
  }
}

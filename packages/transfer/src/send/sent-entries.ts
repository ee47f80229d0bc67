import { FilerError, type EntryFailure, type ReceiptFile } from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';
import { Tally, type FailedBy, type FileResult, type Outcome } from '../wire/outcome.ts';
import type { SentFile } from './sent-file.ts';
import type { SendEvent } from './send-event.ts';
import type { Source } from './source.ts';
import type { SourceBatcher } from './source-batcher.ts';

/**
 * The sender's ledger: which entries have no result yet, what became of the others, and how much is done.
 *
 * A file is delivered, or there already, by its receipt alone (`proved`). Of a folder or a link, and of a file that the
 * conflict rule keeps, there is the receiver's word (`told`), which nothing proves.
 */
export class SentEntries {
  readonly #batcher: Pick<SourceBatcher, 'files' | 'bytes' | 'isCounted' | 'folders'>;
  readonly #emit: (event: SendEvent) => void;
  readonly #tally = new Tally();
  /** Entries without a result yet. */
  readonly #unsettled = new Map<number, SentFile>();
  /** Failed here: the receiver may have said, before it heard of that, that it does not take them. */
  readonly #failedHere = new EntrySet();
  /** The number of the next one that is found. */
  #found = 0;
  /** Named folders of which something failed. */
  readonly #failedBelow = new Set<string>();
  #bytesSent = 0;
  #bytesDone = 0;
  #filesDone = 0;

  constructor(
    supply: Pick<SourceBatcher, 'files' | 'bytes' | 'isCounted' | 'folders'>,
    emit: (event: SendEvent) => void = () => undefined,
  ) {
    this.#batcher = supply;
    this.#emit = emit;
  }

  /** Content bytes put on the wire. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Whether anything that was found cannot arrive any more. */
  get hasFailed(): boolean {
    return this.#tally.outcome(undefined).filesFailed > 0;
  }

  /** Whether all that was found below a folder has arrived. @param folder its name */
  isDelivered(folder: string): boolean {
    return !this.#failedBelow.has(folder) && this.#unsettled.size === 0;
  }

  /** Each of them gets a result, whatever happens, unless the receiver leaves it out. */
  expect(first: number, sources: readonly Source[]): void {
    this.#found = first + sources.length;
    sources.forEach((source, n) => this.#unsettled.set(first + n, { entry: first + n, source }));
  }

  /** @returns undefined once it has its result */
  get(entry: number): SentFile | undefined {
    return this.#unsettled.get(entry);
  }

  /** @throws FilerError `unexpected-message` unless an answer is awaited for it */
  awaiting(entry: number): SentFile {
    const file = this.#unsettled.get(entry);
    if (file === undefined || file.isAnswered === true) throw outOfPlace(`an answer about entry ${entry}`);
    return file;
  }

  /**
   * One that the receiver says it cannot take.
   *
   * @returns undefined when it failed here meanwhile
   * @throws FilerError `unexpected-message` when it was not asked for, is proved, or failed there already
   */
  refusable(entry: number): SentFile | undefined {
    this.requireFound(entry);
    const file = this.#unsettled.get(entry);
    if (file === undefined && this.#failedHere.has(entry)) return undefined;
    if (file?.isAnswered !== true || file.isProved === true)
      throw outOfPlace(`the failure of entry ${entry}`);
    return file;
  }

  /** @throws FilerError `unexpected-message` for the number of nothing that was found */
  requireFound(entry: number): void {
    if (entry >= this.#found) throw outOfPlace(`entry ${entry}`);
  }

  /** It gets no result: the receiver, who fetches, leaves it out. */
  leftOut({ entry }: SentFile): void {
    this.#unsettled.delete(entry);
  }

  started({ entry, source: { name, size } }: SentFile): void {
    this.#emit({ type: 'started', entry, name, size });
  }

  /** Content went that others were named for. */
  supplied(bytes: number): void {
    this.#bytesSent += bytes;
  }

  /** More of a file went to the operating system. @returns whether the file is still wanted */
  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean {
    this.#bytesSent += bytes;
    const isWanted = this.#unsettled.has(file.entry) && file.again !== true;
    if (isWanted) this.#count(file, fileBytes);
    this.#progress(file, fileBytes, fileSize);
    return isWanted;
  }

  /** The receiver has signed for it. Nothing else makes a file one that the receiver has. */
  proved({ entry, name, size, path, digest, present }: ReceiptFile): void {
    const sent = this.#unsettled.get(entry);
    const status = present === true ? 'skipped' : 'delivered';
    if (sent !== undefined) this.#settle(sent, { name, size, status, path, digest });
  }

  /**
   * What the receiver says and does not sign: a folder or a link was made or is there, or another content is kept.
   * Folders are no files: they have no result unless they fail.
   */
  told(sent: SentFile, how: Pick<FileResult, 'status' | 'kept'> & { readonly path: string }): void {
    const { kind, name, size } = sent.source;
    if (kind === 'file' && how.kept !== true) throw new Error('a file is delivered by its receipt alone');
    if (kind === 'dir') {
      this.#unsettled.delete(sent.entry);
      this.#emit({ type: 'folder', name, path: how.path });
    } else this.#settle(sent, { name, size, ...how });
  }

  /** It failed, unless it has its result. */
  failed(entry: number, { code, message }: Omit<EntryFailure, 'entry'>, failedBy: FailedBy): void {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return;
    if (failedBy === 'here') this.#failedHere.add(entry);
    const { name, size } = file.source;
    this.#settle(file, { name, size, status: 'failed', code, message, failedBy });
  }

  /** The last word about one file. */
  #settle(sent: SentFile, result: FileResult): void {
    this.#unsettled.delete(sent.entry);
    const isThere = result.status !== 'failed';
    this.#count(sent, isThere ? sent.source.size : 0);
    if (sent.source.kind !== 'dir') this.#filesDone++;
    this.#result(sent.source.file, result);
    if (isThere) this.#progress(sent, sent.source.size, sent.source.size);
  }

  /** It cannot even be announced. */
  unsendable(file: string, name: string, { code, message }: FilerError): void {
    this.#result(file, { name, size: 0, status: 'failed', code, message, failedBy: 'here' });
  }

  /** Nothing more comes: what has no result has failed. @param error why it ended early */
  close(error: FilerError | undefined): Outcome {
    const reason =
      error ?? new FilerError('verification-failed', 'the receiver gave no receipt for it: send it again');
    const failedBy = error === undefined ? 'peer' : 'transfer';
    for (const entry of [...this.#unsettled.keys()]) this.failed(entry, reason, failedBy);
    return this.#tally.outcome(error);
  }

  /** So much of a file is done now. */
  #count(file: SentFile, bytes: number): void {
    this.#bytesDone += bytes - (file.done ?? 0);
    file.done = bytes;
  }

  #progress({ entry, source: { name, file } }: SentFile, fileBytes: number, fileSize: number): void {
    const [bytesSent, bytesDone, filesDone] = [this.#bytesSent, this.#bytesDone, this.#filesDone];
    const { bytes: bytesTotal, files: filesTotal, isCounted: complete } = this.#batcher;
    const done = { bytesSent, bytesDone, bytesTotal, filesDone, filesTotal, complete };
    this.#emit({ type: 'progress', entry, name, file, fileBytes, fileSize, ...done });
  }

  #result(file: string, result: FileResult): void {
    this.#tally.add(result);
    if (result.status === 'failed') this.#noteFailed(result.name);
    this.#emit({ type: 'file', file, result });
  }

  #noteFailed(name: string): void {
    for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) {
      const above = name.slice(0, end);
      if (this.#batcher.folders.has(above)) this.#failedBelow.add(above);
    }
  }
}

/** A set of entries' numbers: a bit for each, so that a million take 125 KB. */
class EntrySet {
  #bits = Buffer.alloc(0);

  add(entry: number): void {
    const at = entry >> 3;
    if (at >= this.#bits.length)
      this.#bits = Buffer.concat([this.#bits], Math.max(64, at + 1, 2 * this.#bits.length));
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (entry & 7));
  }

  has(entry: number): boolean {
    return ((this.#bits[entry >> 3] ?? 0) & (1 << (entry & 7))) !== 0;
  }
}

import { FilerError, type EntryFailure } from '@filer/protocol';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import type { SentFile } from './outgoing.ts';
import type { SendEvent } from './send-event.ts';
import type { Source } from './source.ts';
import type { Supply } from './supply.ts';

/** The sender's ledger: which entries have no result yet, what became of the others, and how much is done. */
export class SentEntries {
  readonly #supply: Pick<Supply, 'files' | 'bytes' | 'isCounted'>;
  readonly #emit: (event: SendEvent) => void;
  readonly #tally = new Tally();
  /** Entries without a result yet. */
  readonly #unsettled = new Map<number, SentFile>();
  #bytesSent = 0;
  #bytesDone = 0;
  #filesDone = 0;

  constructor(
    supply: Pick<Supply, 'files' | 'bytes' | 'isCounted'>,
    emit: (event: SendEvent) => void = () => undefined,
  ) {
    this.#supply = supply;
    this.#emit = emit;
  }

  /** Content bytes put on the wire. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Each of them gets a result, whatever happens, unless the receiver does not want it. */
  expect(first: number, sources: readonly Source[]): void {
    sources.forEach((source, n) => this.#unsettled.set(first + n, { entry: first + n, source }));
  }

  /** @returns undefined once it has its result */
  get(entry: number): SentFile | undefined {
    return this.#unsettled.get(entry);
  }

  /** It gets no result: its receiver does not want it. */
  unwanted(entry: number): void {
    this.#unsettled.delete(entry);
  }

  started({ entry, source: { name, size } }: SentFile): void {
    this.#emit({ type: 'started', entry, name, size });
  }

  /** More of a file went to the operating system. @returns whether the file is still wanted */
  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean {
    this.#bytesSent += bytes;
    const isWanted = this.#unsettled.has(file.entry) && file.again !== true;
    if (isWanted) this.#count(file, fileBytes);
    this.#progress(file, fileBytes, fileSize);
    return isWanted;
  }

  /** It is there without a stream. Folders are no files: they have no result unless they fail. */
  settleUnsent(sent: SentFile, how: Pick<FileResult, 'status' | 'kept'> & { readonly path: string }): void {
    const { kind, name, size } = sent.source;
    if (kind === 'dir') {
      this.#unsettled.delete(sent.entry);
      this.#emit({ type: 'folder', name, path: how.path });
    } else this.settle(sent, { name, size, ...how });
  }

  /** It failed, unless it has its result. */
  settleFailed(entry: number, { code, message }: Omit<EntryFailure, 'entry'>): void {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return;
    const { name, size } = file.source;
    this.settle(file, { name, size, status: 'failed', code, message });
  }

  /** The last word about one file. */
  settle(sent: SentFile, result: FileResult): void {
    this.#unsettled.delete(sent.entry);
    const isThere = result.status !== 'failed';
    this.#count(sent, isThere ? sent.source.size : 0);
    if (sent.source.kind !== 'dir') this.#filesDone++;
    this.#result(sent.source.file, result);
    if (isThere) this.#progress(sent, sent.source.size, sent.source.size);
  }

  /** It cannot even be announced. */
  unsendable(file: string, name: string, { code, message }: FilerError): void {
    this.#result(file, { name, size: 0, status: 'failed', code, message });
  }

  /** Nothing more comes: what has no result has failed. @param error why it ended early */
  close(error: FilerError | undefined): Outcome {
    const reason =
      error ?? new FilerError('verification-failed', 'the receiver gave no receipt for it: send it again');
    for (const entry of [...this.#unsettled.keys()]) this.settleFailed(entry, reason);
    return this.#tally.outcome(error);
  }

  /** So much of a file is done now. */
  #count(file: SentFile, bytes: number): void {
    this.#bytesDone += bytes - (file.done ?? 0);
    file.done = bytes;
  }

  #progress({ entry, source: { name, file } }: SentFile, fileBytes: number, fileSize: number): void {
    const [bytesSent, bytesDone, filesDone] = [this.#bytesSent, this.#bytesDone, this.#filesDone];
    const { bytes: bytesTotal, files: filesTotal, isCounted: complete } = this.#supply;
    const done = { bytesSent, bytesDone, bytesTotal, filesDone, filesTotal, complete };
    this.#emit({ type: 'progress', entry, name, file, fileBytes, fileSize, ...done });
  }

  #result(file: string, result: FileResult): void {
    this.#tally.add(result);
    this.#emit({ type: 'file', file, result });
  }
}

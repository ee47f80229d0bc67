import {
  DIGEST_BLOCK_BYTES,
  FilerError,
  MAX_TRANSFER_ENTRIES,
  formatAnswer,
  formatBasisAnswer,
  formatEntriesAnswer,
  formatGot,
  formatReceipts,
  formatTransferWord,
  parseOffer,
  type Chunk,
  type Entry,
  type EntryAnswer,
  type FileEnd,
  type KeyPair,
  type Message,
  Router,
  isTransferProgress,
  entriesMessage,
  fileMessage,
  chunkMessage,
  basisMessage,
  sameMessage,
  endMessage,
  abandonMessage,
  doneMessage,
  type Entries,
  type FileStart,
  type BasisRequest,
  type Same,
  type EntryFailure,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { asTold, bugOf, lastWord, lossOf, onAbort, outOfPlace, dispatch } from './ending.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { signReceipts } from './receipts.ts';
import type { StreamedFile } from './streamed-file.ts';

export interface ReceiveStreamOptions extends PaceOptions {
  readonly network: string;
  /** Who receives, and signs for it. */
  readonly keyPair: KeyPair;
  /** As TLS proved. */
  readonly senderId: string;
  /** The one name that was asked for. */
  readonly name: string;
  readonly into: StreamedFile;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((fileBytes: number, fileSize: number) => void) | undefined;
}

export interface StreamOutcome {
  /** Why not all of the file was written, and verified; undefined when it was. */
  readonly error?: FilerError;
  /** Content bytes that came over this connection. */
  readonly bytesReceived: number;
}

/**
 * Receives one file into a stream, over a channel whose next message is the offer. Where the stream stands already,
 * from an earlier connection, the file is gone on with.
 *
 * What goes wrong stands in the outcome; only a bug makes it reject.
 */
export function receiveStream(channel: Channel, options: ReceiveStreamOptions): Promise<StreamOutcome> {
  return new Streaming(channel, options).run();
}

class Streaming {
  /** What follows the answer to the offer. */
  static readonly #router = new Router<Streaming, Promise<void> | void>({ on: 'transfer', as: 'receiver' })
    .on(entriesMessage, (entries, streaming) => streaming.#takeEntries(entries))
    .on(fileMessage, (file, streaming) => streaming.#takeFile(file))
    .on(chunkMessage, (chunk, streaming) => streaming.#takeChunk(chunk))
    .on(basisMessage, (request, streaming) => streaming.#takeBasis(request))
    .on(sameMessage, (same, streaming) => streaming.#takeSame(same))
    .on(endMessage, (end, streaming) => streaming.#takeEnd(end))
    .on(abandonMessage, (failure, streaming) => streaming.#takeAbandon(asTold(failure, streaming.#channel)))
    .on(doneMessage, (_, streaming) => streaming.#takeDone());
  readonly #channel: Channel;
  readonly #options: ReceiveStreamOptions;
  readonly #pace: Pace;
  #job: string | undefined;
  /** The file among the entries. */
  #entry: number | undefined;
  #state: 'ahead' | 'open' | 'abandoned' | 'whole' = 'ahead';
  #size = 0;
  #nextEntry = 0;
  #allAnnounced = false;
  #bytesReceived = 0;
  #reason = new FilerError('path-missing', 'the file was not sent');
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: ReceiveStreamOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#pace = new Pace(
      {
        announce: () => void this.#say(formatTransferWord('working')).catch(() => undefined),
        stalled: (error) => this.#fail(error),
      },
      options,
    );
  }

  async run(): Promise<StreamOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#fail(reason));
    try {
      await this.#listen();
      if (this.#state !== 'whole') this.#failure ??= this.#reason;
    } catch (error) {
      if (!(error instanceof FilerError)) this.#bug = bugOf(error);
      this.#fail(error instanceof FilerError ? error : new FilerError('internal', 'the receiver failed'));
    }
    listenNoMore();
    this.#pace[Symbol.dispose]();
    if (this.#bug !== undefined) throw this.#bug;
    const bytesReceived = this.#bytesReceived;
    // Whatever befell the connection afterwards.
    const error = this.#state === 'whole' ? undefined : this.#failure;
    return error === undefined ? { bytesReceived } : { bytesReceived, error };
  }

  async #listen(): Promise<void> {
    for await (const message of this.#channel) {
      const type = message.header['type'];
      if (type === 'error') throw lastWord(message.header, this.#channel);
      if (type === 'working') {
        this.#pace.toldWorking();
        continue;
      }
      if (type === 'chunk') this.#pace.moved(message.content.length);
      else if (isTransferProgress(message.header)) this.#pace.exchanged();
      if (this.#job === undefined) await this.#takeOffer(message);
      else await dispatch(Streaming.#router, this.#channel, message, this);
      if (type === 'done') return;
    }
    throw await lossOf(this.#channel);
  }

  async #takeOffer(message: Message): Promise<void> {
    const { id, job } = parseOffer(message);
    this.#job = job;
    await this.#say(formatAnswer(id));
  }

  async #takeEntries({ id, first, last, entries }: Entries): Promise<void> {
    if (this.#allAnnounced || first !== this.#nextEntry) throw outOfPlace(`a batch from entry ${first} on`);
    this.#nextEntry += entries.length;
    if (this.#nextEntry > MAX_TRANSFER_ENTRIES)
      throw new FilerError(
        'too-large',
        `more than ${MAX_TRANSFER_ENTRIES} files are told of where one was asked for`,
      );
    this.#allAnnounced = last;
    const answers = entries.map((entry, index) => this.#decide(first + index, entry));
    await this.#say(formatEntriesAnswer(id, answers));
  }

  #takeFile({ entry, size }: FileStart): void {
    if (entry !== this.#entry || (this.#state !== 'ahead' && this.#state !== 'abandoned')) {
      throw outOfPlace(`the beginning of entry ${entry}`);
    }
    this.#state = 'open';
    this.#size = size;
    this.#options.into.begin(size);
  }

  async #takeBasis({ id, entry, first, count }: BasisRequest): Promise<void> {
    const { into } = this.#options;
    this.#requireOpen(entry, into.position);
    await this.#say(formatBasisAnswer(id, into.digestsOf(first, count)));
  }

  async #takeSame({ entry, offset, bytes }: Same): Promise<void> {
    this.#requireOpen(entry, offset);
    this.#options.into.same(bytes);
    await this.#advanced(offset);
  }

  #takeAbandon({ entry, code, message: why }: EntryFailure): void {
    if (entry !== this.#entry || this.#state === 'whole') throw outOfPlace(`giving up entry ${entry}`);
    this.#state = 'abandoned';
    this.#reason = new FilerError(code, why);
  }

  async #takeDone(): Promise<void> {
    if (!this.#allAnnounced || this.#state === 'open') throw outOfPlace('done');
    await this.#say(formatTransferWord('done'));
  }

  #decide(number: number, { path, kind, size }: Entry): EntryAnswer {
    const { name, into } = this.#options;
    if (path !== name || this.#entry !== undefined) return { answer: 'unwanted' };
    if (kind !== 'file') {
      throw new FilerError(
        'path-unsupported',
        `${JSON.stringify(name)} is a folder: only a file can go to standard output`,
      );
    }
    this.#entry = number;
    this.#size = size;
    return into.written > 0 ? { answer: 'resume', bytes: into.written } : { answer: 'want' };
  }

  async #takeChunk({ entry, offset, content }: Chunk): Promise<void> {
    const { into } = this.#options;
    this.#requireOpen(entry, offset);
    if (offset + content.length > this.#size) throw outOfPlace('a chunk beyond the end');
    this.#bytesReceived += content.length;
    await this.#pace.work(into.append(content));
    this.#channel.recycle?.(content);
    await this.#advanced(offset);
  }

  /** The sender goes no further ahead of what was taken than it may. */
  async #advanced(before: number): Promise<void> {
    const { into, onProgress } = this.#options;
    const offset = into.position;
    onProgress?.(offset, this.#size);
    const block = (bytes: number): number => Math.floor(bytes / DIGEST_BLOCK_BYTES);
    const isNews = block(offset) > block(before) || offset === this.#size;
    if (this.#entry !== undefined && isNews) {
      await this.#say(formatGot({ entry: this.#entry, offset }));
    }
  }

  async #takeEnd(end: FileEnd): Promise<void> {
    const { network, senderId: sender, keyPair, name, into } = this.#options;
    this.#requireOpen(end.entry, into.position);
    const { entry, size } = end;
    const digests = into.verify(end);
    this.#state = 'whole';
    const file = { entry, name, path: '-', size, ...digests, synced: false };
    const job = this.#job ?? '';
    const receipts = { network, job, sender, time: Date.now(), files: [file] };
    await this.#say(formatReceipts(signReceipts(receipts, keyPair)));
  }

  #requireOpen(entry: number, offset: number): void {
    if (this.#state === 'open' && entry === this.#entry && offset === this.#options.into.position) return;
    throw outOfPlace(`what was said of entry ${entry} at ${offset}`);
  }

  async #say(message: Message): Promise<void> {
    await send(this.#channel, message);
    this.#pace.exchanged();
  }

  /** Ends the transfer early; the first reason counts. */
  #fail(error: FilerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#channel.reject(error);
  }
}

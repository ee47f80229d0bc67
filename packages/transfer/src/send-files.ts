import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatEntries,
  formatOffer,
  formatTransferWord,
  MAX_ENTRIES_PER_BATCH,
  parseEntriesAnswer,
  parseEntryFailure,
  parseReceipts,
  type EntryAnswer,
  type EntryFailure,
  type Message,
  type ReceiptBatch,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { checkReceipts } from './check-receipts.ts';
import { bugOf, lastWord, lossOf, onAbort, outOfPlace, takeStranger } from './ending.ts';
import { Outgoing, type OutgoingOwner, type SentFile } from './outgoing.ts';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { Requests } from './requests.ts';
import { inspectSource, type Source, type SourceFile } from './source.ts';

/** Batches of entries that may wait for their answer: a round trip costs no stream. */
const MAX_BATCHES_IN_FLIGHT = 4;

/** What happens while files are sent. Names are this machine's own. */
export type SendEvent =
  | { readonly type: 'started'; readonly entry: number; readonly name: string; readonly size: number }
  | {
      readonly type: 'progress';
      readonly entry: number;
      readonly name: string;
      /** Where it lies here. */
      readonly file: string;
      /** Of this file. */
      readonly fileBytes: number;
      readonly fileSize: number;
      /** Content bytes put on the wire, of all files; those of a file that is sent again count twice. */
      readonly bytesSent: number;
      readonly bytesTotal: number;
    }
  | { readonly type: 'file'; readonly file: string; readonly result: FileResult };

export interface SendOptions extends PaceOptions {
  readonly files: readonly SourceFile[];
  readonly network: string;
  readonly senderId: string;
  /** Whose receipts count, as TLS proved. */
  readonly receiverId: string;
  /** @default 16 random bytes, base64url */
  readonly job?: string | undefined;
  /** Words for the person at the other end. @default none */
  readonly note?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: SendEvent) => void) | undefined;
  /** Stores verified receipts; awaited before their files count as delivered. `fileOf` tells where an entry lies here. */
  readonly keep?:
    ((receipts: ReceiptBatch, fileOf: (entry: number) => string) => void | Promise<void>) | undefined;
}

export interface SendOutcome extends Outcome {
  readonly job: string;
  /** Content bytes put on the wire. */
  readonly bytesSent: number;
  /** Sizes of all files that could be offered. */
  readonly bytesTotal: number;
}

/**
 * Sends files over a channel on which nothing of a transfer was said yet.
 *
 * What goes wrong, with one file or with all, stands in the outcome; only a bug makes it reject. After an
 * orderly end (a declined offer is one) the channel is still open, and its owner's to close.
 */
export function sendFiles(channel: Channel, options: SendOptions): Promise<SendOutcome> {
  return new Sending(channel, options).run();
}

class Sending implements OutgoingOwner {
  readonly #channel: Channel;
  readonly #options: SendOptions;
  readonly #job: string;
  readonly #pace: Pace;
  readonly #requests: Requests;
  readonly #outgoing: Outgoing;
  readonly #tally = new Tally();
  /** Entries without a result yet. */
  readonly #unsettled = new Map<number, SentFile>();
  #bytesSent = 0;
  #bytesTotal = 0;
  #saidDone = false;
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: SendOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#job = options.job ?? randomBytes(16).toString('base64url');
    this.#requests = new Requests(channel);
    this.#outgoing = new Outgoing(channel, this);
    this.#pace = new Pace(
      {
        announce: () => void send(channel, formatTransferWord('working')).catch(() => undefined),
        stalled: (error) => this.#fail(error),
      },
      options,
    );
  }

  async run(): Promise<SendOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#fail(reason));
    try {
      const sources = await this.#inspect();
      if (sources.length > 0 && this.#failure === undefined) await this.#converse(sources);
    } catch (error) {
      this.#failWith(error);
    }
    listenNoMore();
    this.#pace[Symbol.dispose]();
    if (this.#bug !== undefined) throw this.#bug;
    const reason =
      this.#failure ??
      new FilerError('verification-failed', 'the receiver gave no receipt for it: send it again');
    for (const entry of [...this.#unsettled.keys()]) this.#settleFailed(entry, reason);
    const outcome = this.#tally.outcome(this.#failure);
    return { ...outcome, job: this.#job, bytesSent: this.#bytesSent, bytesTotal: this.#bytesTotal };
  }

  /** What can be sent of what was asked for; the rest fails, each file for itself. */
  async #inspect(): Promise<Source[]> {
    const sources: Source[] = [];
    for (const file of this.#options.files) {
      try {
        const source = await inspectSource(file);
        this.#bytesTotal += source.size;
        sources.push(source);
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        const { code, message } = error;
        this.#result(file.file, { name: file.name ?? file.file, size: 0, status: 'failed', code, message });
      }
    }
    return sources;
  }

  async #converse(sources: readonly Source[]): Promise<void> {
    sources.forEach((source, entry) => this.#unsettled.set(entry, { entry, source }));
    const over = this.#listen();
    over.catch(() => undefined); // awaited at the end; until then requests and sends tell of a loss
    if (!(await this.#offer(sources))) return;
    const inFlight: Promise<readonly SentFile[]>[] = [];
    const sendNext = async (): Promise<void> => {
      for (const file of (await inFlight.shift()) ?? []) await this.#sendFile(file);
    };
    for (let first = 0; first < sources.length; first += MAX_ENTRIES_PER_BATCH) {
      const wanted = this.#announce(first, sources);
      wanted.catch(() => undefined); // awaited in its turn
      inFlight.push(wanted);
      if (inFlight.length >= MAX_BATCHES_IN_FLIGHT) await sendNext();
    }
    while (inFlight.length > 0) await sendNext();
    this.#saidDone = true;
    await send(this.#channel, formatTransferWord('done'));
    await over;
  }

  /** @returns whether the offer was taken */
  async #offer(sources: readonly Source[]): Promise<boolean> {
    const names = sources.map(({ name }) => name);
    const totals = { complete: true, files: sources.length, bytes: this.#bytesTotal };
    const offer = { job: this.#job, ...totals, names, note: this.#options.note ?? '' };
    try {
      await this.#requests.ask((id) => formatOffer(offer, id));
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#failure ??= error;
      return false;
    }
  }

  /** Announces one batch. @returns the files of it that the receiver wants */
  async #announce(first: number, sources: readonly Source[]): Promise<SentFile[]> {
    const batch = sources.slice(first, first + MAX_ENTRIES_PER_BATCH);
    const entries = batch.map(({ name, size, mtimeNs, mode }) => ({
      path: name,
      kind: 'file',
      size,
      mtimeNs,
      mode,
    }));
    const last = first + batch.length === sources.length;
    const answer = await this.#requests.ask((id) => formatEntries({ id, first, last, entries }));
    const { answers } = parseEntriesAnswer(answer);
    if (answers.length !== batch.length) {
      throw new FilerError('message-malformed', `${answers.length} answers came to ${batch.length} entries`);
    }
    return answers.flatMap((each, index) => this.#takeAnswer(first + index, each));
  }

  #takeAnswer(entry: number, answer: EntryAnswer): SentFile[] {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return [];
    switch (answer.answer) {
      case 'refused':
        this.#settleFailed(entry, answer);
        return [];
      case 'have': {
        const { name, size } = file.source;
        this.#unsettled.delete(entry);
        this.#result(file.source.file, { name, size, status: 'skipped', path: answer.path });
        return [];
      }
      case 'resume': // the whole file is a legal answer to it
      case 'want':
        return [file];
    }
  }

  async #sendFile(file: SentFile): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const failure = await this.#outgoing.send(file);
    if (failure !== undefined) this.#settleFailed(file.entry, failure);
  }

  started({ entry, source: { name, size } }: SentFile): void {
    this.#emit({ type: 'started', entry, name, size });
  }

  sent(
    { entry, source: { name, file } }: SentFile,
    bytes: number,
    fileBytes: number,
    fileSize: number,
  ): boolean {
    this.#pace.grown();
    this.#bytesSent += bytes;
    const [bytesSent, bytesTotal] = [this.#bytesSent, this.#bytesTotal];
    this.#emit({ type: 'progress', entry, name, file, fileBytes, fileSize, bytesSent, bytesTotal });
    return this.#unsettled.has(entry);
  }

  /** Takes what the receiver says until its `done`. @throws FilerError what ends the transfer early */
  async #listen(): Promise<void> {
    try {
      for await (const message of this.#channel) {
        this.#pace.grown();
        await this.#take(message);
        if (message.header['type'] === 'done') return;
      }
      throw await lossOf(this.#channel);
    } catch (error) {
      this.#failWith(error);
      throw error;
    }
  }

  async #take(message: Message): Promise<void> {
    const { header } = message;
    switch (header['type']) {
      case 'error':
        if (header['re'] === undefined) throw lastWord(header);
        this.#requests.answered(message);
        return;
      case 'answer':
      case 'entries-answer':
        this.#requests.answered(message);
        return;
      case 'failed': {
        const failure = parseEntryFailure(message);
        this.#settleFailed(failure.entry, failure);
        return;
      }
      case 'receipts':
        await this.#takeReceipts(parseReceipts(message));
        return;
      case 'working':
        return;
      case 'done':
        if (!this.#saidDone) throw outOfPlace('done');
        return;
      default:
        await takeStranger(this.#channel, header);
    }
  }

  async #takeReceipts(batch: ReceiptBatch): Promise<void> {
    const { network, senderId: sender, receiverId: receiver, keep } = this.#options;
    checkReceipts(batch, { network, sender, receiver, job: this.#job }, this.#unsettled);
    const fileOf = (entry: number): string => this.#unsettled.get(entry)?.source.file ?? '';
    await this.#pace.work(Promise.resolve(keep?.(batch, fileOf)));
    for (const { entry, name, size, path, digest } of batch.files) {
      const file = this.#unsettled.get(entry)?.source.file ?? name;
      this.#unsettled.delete(entry);
      this.#result(file, { name, size, status: 'delivered', path, digest });
    }
  }

  /** What is no FilerError is a bug of ours, and thrown at the end. */
  #failWith(error: unknown): void {
    if (!(error instanceof FilerError)) this.#bug ??= bugOf(error);
    this.#fail(error instanceof FilerError ? error : new FilerError('internal', 'the sender failed'));
  }

  /** Ends the transfer early: the first reason counts, and whoever waits learns of it. */
  #fail(error: FilerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#channel.reject(error);
    this.#requests.fail(error);
  }

  #settleFailed(entry: number, { code, message }: Omit<EntryFailure, 'entry'>): void {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return;
    this.#unsettled.delete(entry);
    const { name, size } = file.source;
    this.#result(file.source.file, { name, size, status: 'failed', code, message });
  }

  #result(file: string, result: FileResult): void {
    this.#tally.add(result);
    this.#emit({ type: 'file', file, result });
  }

  #emit(event: SendEvent): void {
    this.#options.on?.(event);
  }
}

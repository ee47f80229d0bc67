import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatEnd,
  formatEntries,
  formatEntryFailure,
  formatFile,
  formatOffer,
  formatTransferWord,
  MAX_ENTRIES_PER_BATCH,
  parseEntriesAnswer,
  parseEntryFailure,
  parseReceipts,
  type EntryAnswer,
  type EntryFailure,
  type ErrorCode,
  type Message,
  type ReceiptBatch,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { bugOf, lastWord, lossOf, onAbort, outOfPlace, takeStranger } from './ending.ts';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { Pump } from './pump.ts';
import { checkReceipts, type SentFile } from './check-receipts.ts';
import { inspectSource, OpenSource, type Source, type SourceFile } from './source.ts';

/** Batches of entries that may wait for their answer: a round trip costs no stream. */
const MAX_BATCHES_IN_FLIGHT = 4;

/** A source that changes while it is sent is sent so many times. */
const MAX_TRIES = 2;

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
  /** Stores verified receipts; awaited before their files count as delivered. */
  readonly keep?: ((receipts: ReceiptBatch) => void | Promise<void>) | undefined;
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

interface Waiting {
  resolve(message: Message): void;
  reject(error: FilerError): void;
}

class Sending {
  readonly #channel: Channel;
  readonly #options: SendOptions;
  readonly #job: string;
  readonly #pace: Pace;
  readonly #pump: Pump;
  readonly #tally = new Tally();
  /** Requests that have no answer yet, by id. */
  readonly #requests = new Map<string, Waiting>();
  /** Entries without a result yet. */
  readonly #unsettled = new Map<number, SentFile>();
  #lastId = 0;
  #bytesSent = 0;
  #bytesTotal = 0;
  #saidDone = false;
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: SendOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#job = options.job ?? randomBytes(16).toString('base64url');
    this.#pump = new Pump(channel);
    this.#pace = new Pace(
      {
        announce: () => void this.#say(formatTransferWord('working')).catch(() => undefined),
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
      if (error instanceof FilerError) this.#fail(error);
      else this.#bug ??= bugOf(error);
    } finally {
      listenNoMore();
      this.#pace[Symbol.dispose]();
    }
    if (this.#bug !== undefined) {
      this.#channel.reject(new FilerError('internal', 'the sender failed'));
      throw this.#bug;
    }
    const { code, message } = this.#failure ?? {
      code: 'verification-failed' as const,
      message: 'the receiver gave no receipt for it: send it again',
    };
    for (const { entry } of [...this.#unsettled.values()]) this.#settleFailed({ entry, code, message });
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
        this.#result(file.file, { name: file.name ?? file.file, size: 0, ...failed(error) });
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
    await this.#say(formatTransferWord('done'));
    await over;
  }

  /** @returns whether the offer was taken */
  async #offer(sources: readonly Source[]): Promise<boolean> {
    const names = sources.map(({ name }) => name);
    const offer = { job: this.#job, complete: true, files: sources.length, bytes: this.#bytesTotal, names };
    try {
      await this.#ask((id) => formatOffer({ ...offer, note: this.#options.note ?? '' }, id));
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
    const { answers } = parseEntriesAnswer(
      await this.#ask((id) => formatEntries({ id, first, last, entries })),
    );
    if (answers.length !== batch.length) {
      throw new FilerError('message-malformed', `${answers.length} answers came to ${batch.length} entries`);
    }
    return answers.flatMap((answer, index) => this.#takeAnswer(first + index, answer));
  }

  #takeAnswer(entry: number, answer: EntryAnswer): SentFile[] {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return []; // the receiver gave it up in the meantime
    switch (answer.answer) {
      case 'refused':
        this.#settleFailed({ entry, code: answer.code, message: answer.message });
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

  /** Sends one file, again if it changed meanwhile. What concerns the file alone ends that file alone. */
  async #sendFile(file: SentFile): Promise<void> {
    const { entry, source } = file;
    this.#emit({ type: 'started', entry, name: source.name, size: source.size });
    const giveUp = async (code: ErrorCode, message: string): Promise<void> => {
      await this.#say(formatEntryFailure('abandon', { entry, code, message }));
    };
    let reason = new FilerError(
      'source-changed',
      `${JSON.stringify(source.name)} changed each time it was being sent`,
    );
    for (let tries = 0; tries < MAX_TRIES && this.#unsettled.has(entry); tries++) {
      try {
        if (await this.#sendOnce(file)) return;
        await giveUp('source-changed', 'the file changed while it was being sent');
      } catch (error) {
        if (!(error instanceof FilerError) || !error.code.startsWith('path-')) throw error;
        reason = error;
        await giveUp(error.code, error.message);
        break;
      }
    }
    if (this.#unsettled.has(entry)) this.#settleFailed({ entry, code: reason.code, message: reason.message });
  }

  /** @returns whether the file went whole and unchanged */
  async #sendOnce(file: SentFile): Promise<boolean> {
    const { entry, source } = file;
    await using opened = await OpenSource.open(source.file);
    const { size, mtimeNs, mode } = opened.facts;
    await this.#say(formatFile({ entry, size, mtimeNs, mode }));
    let fileBytes = 0;
    const digests = await this.#pump.run(entry, opened, size, (bytes) => {
      this.#pace.grown();
      this.#bytesSent += bytes;
      fileBytes += bytes;
      const { name, file: path } = source;
      const [bytesSent, bytesTotal] = [this.#bytesSent, this.#bytesTotal];
      this.#emit({
        type: 'progress',
        entry,
        name,
        file: path,
        fileBytes,
        fileSize: size,
        bytesSent,
        bytesTotal,
      });
      return this.#unsettled.has(entry);
    });
    if (digests === undefined || (await opened.changed())) return false;
    // Noted before it is said: the receipt may come before `send` resolves.
    file.end = { entry, size, ...digests };
    await this.#say(formatEnd(file.end));
    return true;
  }

  /** Takes what the receiver says until its `done`. @throws FilerError what ends the transfer early */
  async #listen(): Promise<void> {
    try {
      for await (const message of this.#channel) {
        this.#pace.grown();
        if (await this.#take(message)) return;
      }
      this.#fail(await lossOf(this.#channel));
    } catch (error) {
      if (error instanceof FilerError) {
        this.#fail(error);
      } else {
        this.#bug ??= bugOf(error);
        this.#fail(new FilerError('internal', 'the sender failed', { cause: error }));
      }
    }
    throw this.#failure ?? new Error('a transfer that ended early has a reason');
  }

  /** @returns whether this was the last message */
  async #take(message: Message): Promise<boolean> {
    const { header } = message;
    switch (header['type']) {
      case 'answer':
      case 'entries-answer':
        this.#answered(message)?.resolve(message);
        return false;
      case 'error': {
        const error = lastWord(header);
        if (header['re'] === undefined) throw error;
        this.#answered(message)?.reject(error);
        return false;
      }
      case 'failed': {
        const failure = parseEntryFailure(message);
        if (this.#unsettled.has(failure.entry)) this.#settleFailed(failure);
        return false;
      }
      case 'receipts':
        await this.#takeReceipts(parseReceipts(message));
        return false;
      case 'working':
        return false;
      case 'done':
        if (!this.#saidDone) throw outOfPlace('done');
        return true;
      default:
        await takeStranger(this.#channel, header);
        return false;
    }
  }

  async #takeReceipts(batch: ReceiptBatch): Promise<void> {
    const { network, senderId: sender, receiverId: receiver, keep } = this.#options;
    checkReceipts(batch, { network, sender, receiver, job: this.#job }, this.#unsettled);
    await this.#pace.work(Promise.resolve(keep?.(batch)));
    for (const { entry, name, size, path, digest } of batch.files) {
      const sent = this.#unsettled.get(entry);
      this.#unsettled.delete(entry);
      this.#result(sent?.source.file ?? name, { name, size, status: 'delivered', path, digest });
    }
  }

  #answered({ header }: Message): Waiting | undefined {
    const re = header['re'] ?? '';
    const waiting = this.#requests.get(re);
    this.#requests.delete(re);
    if (waiting === undefined) throw outOfPlace(`an answer to ${JSON.stringify(re)}`);
    return waiting;
  }

  async #ask(format: (id: string) => Message): Promise<Message> {
    const id = String(++this.#lastId);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#requests.set(id, { resolve, reject });
    const [answer] = await Promise.all([promise, this.#say(format(id))]);
    return answer;
  }

  async #say(message: Message): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await send(this.#channel, message);
    this.#pace.grown();
  }

  /** Ends the transfer early: the first reason counts, and whoever waits learns of it. */
  #fail(error: FilerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#channel.reject(error);
    for (const waiting of this.#requests.values()) waiting.reject(error);
    this.#requests.clear();
  }

  #settleFailed({ entry, code, message }: EntryFailure): void {
    const file = this.#unsettled.get(entry);
    this.#unsettled.delete(entry);
    if (file === undefined) return;
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

function failed({ code, message }: FilerError): Pick<FileResult, 'status' | 'code' | 'message'> {
  return { status: 'failed', code, message };
}

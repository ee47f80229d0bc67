import { join } from 'node:path';
import {
  FilerError,
  formatAnswer,
  formatEntriesAnswer,
  formatEntryFailure,
  formatReceipts,
  formatTransferWord,
  parseChunk,
  parseEnd,
  parseEntries,
  parseEntryFailure,
  parseFile,
  parseOffer,
  type EntryAnswer,
  type FileEnd,
  type FileStart,
  type KeyPair,
  type Message,
  type Offer,
  type ReceiptFile,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { bugOf, lastWord, lossOf, onAbort, outOfPlace, takeStranger } from './ending.ts';
import { FreeSpace, type Promised } from './free-space.ts';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { Part } from './part.ts';
import { Place } from './place.ts';
import { ReceiptBatches } from './receipt-batches.ts';
import { signReceipts } from './receipts.ts';
import { allowanceOf, judgeEntry, judgeSize, type Allowance, type ReceivePolicy } from './receive-policy.ts';

/** Finished files that may be synced and named side by side, while the next ones come in. */
const MAX_COMMITS = 16;

/** A file in place, before its receipt is given. */
export interface ReceivedFile extends ReceiptFile {
  readonly job: string;
  /** Absolute. */
  readonly file: string;
  readonly note: string;
}

/** What happens while files are received. Names are another machine's: escape them. */
export type ReceiveEvent =
  | { readonly type: 'offered'; readonly offer: Offer }
  | { readonly type: 'started'; readonly entry: number; readonly name: string; readonly size: number }
  | {
      readonly type: 'progress';
      readonly entry: number;
      readonly name: string;
      readonly fileBytes: number;
      readonly fileSize: number;
      readonly bytesReceived: number;
      readonly bytesTotal: number;
    }
  | { readonly type: 'file'; readonly result: FileResult };

export interface ReceiveOptions extends PaceOptions {
  readonly network: string;
  /** Who receives, and signs for it. */
  readonly keyPair: KeyPair;
  /** As TLS proved. */
  readonly senderId: string;
  /** Made if missing. */
  readonly inbox: string;
  /** Where in the inbox, a relative path: as a rule the sender's name. */
  readonly folder: string;
  /** Shared by all transfers into this inbox. @default one for this transfer alone */
  readonly space?: FreeSpace | undefined;
  readonly policy?: ReceivePolicy | undefined;
  /** Whether files are brought to the disk before their receipt. @default true */
  readonly sync?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: ReceiveEvent) => void) | undefined;
  /** Notes a file that is in place; awaited before its receipt is given. */
  readonly record?: ((file: ReceivedFile) => void | Promise<void>) | undefined;
}

export interface ReceiveOutcome extends Outcome {
  /** Undefined when no offer came. */
  readonly job: string | undefined;
  readonly bytesReceived: number;
}

/**
 * Receives files over a channel whose next message is the offer.
 *
 * What goes wrong, with one file or with all, stands in the outcome; only a bug makes it reject. After an
 * orderly end (a refused offer is one) the channel is still open, and its owner's to close.
 */
export function receiveFiles(channel: Channel, options: ReceiveOptions): Promise<ReceiveOutcome> {
  return new Receiving(channel, options).run();
}

/** An entry that was asked for. */
interface Wanted {
  readonly entry: number;
  readonly name: string;
  readonly components: readonly string[];
  size: number;
  promised: Promised | undefined;
  state: 'wanted' | 'open' | 'committing' | 'failed';
  /** Why its stream was given up, until it begins again. */
  abandoned: FilerError | undefined;
}

/** The stream that is open. Without a part it failed already, and what comes is dropped. */
interface Stream {
  readonly wanted: Wanted;
  readonly size: number;
  part: Part | undefined;
  position: number;
}

class Receiving {
  readonly #channel: Channel;
  readonly #options: ReceiveOptions;
  readonly #sync: boolean;
  readonly #policy: ReceivePolicy;
  readonly #space: FreeSpace;
  readonly #pace: Pace;
  readonly #receipts = new ReceiptBatches((files) => this.#issue(files));
  readonly #tally = new Tally();
  readonly #entries = new Map<number, Wanted>();
  readonly #commits = new Set<Promise<void>>();
  readonly #gone = new AbortController();
  #offer: Offer | undefined;
  #allowance: Allowance = { files: 0, bytes: 0 };
  #place: Place | undefined;
  #nextEntry = 0;
  #allAnnounced = false;
  #stream: Stream | undefined;
  #bytesReceived = 0;
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: ReceiveOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#sync = options.sync ?? true;
    this.#policy = options.policy ?? {};
    this.#space = options.space ?? new FreeSpace(options.inbox);
    this.#pace = new Pace(
      { announce: () => this.#tell(formatTransferWord('working')), stalled: (error) => this.#fail(error) },
      options,
    );
  }

  async run(): Promise<ReceiveOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#fail(reason));
    void this.#channel.closed.then(() => this.#gone.abort());
    try {
      await this.#listen();
    } catch (error) {
      if (!(error instanceof FilerError)) this.#bug ??= bugOf(error);
      this.#fail(error instanceof FilerError ? error : new FilerError('internal', 'the receiver failed'));
    } finally {
      listenNoMore();
      await this.#windUp();
    }
    if (this.#bug !== undefined) throw this.#bug;
    const outcome = this.#tally.outcome(this.#failure);
    return { ...outcome, job: this.#offer?.job, bytesReceived: this.#bytesReceived };
  }

  async #listen(): Promise<void> {
    for await (const message of this.#channel) {
      this.#pace.grown();
      if (await this.#take(message)) return;
    }
    throw await lossOf(this.#channel);
  }

  /** Leaves no timer, part or promise behind. Files that are whole still get their place. */
  async #windUp(): Promise<void> {
    await this.#stream?.part?.drop();
    await Promise.all(this.#commits);
    this.#pace[Symbol.dispose]();
    this.#receipts[Symbol.dispose]();
    const { code, message } = this.#failure ?? new FilerError('internal', 'an entry was forgotten');
    for (const wanted of this.#entries.values()) {
      if (wanted.state !== 'failed')
        this.#settleFailed(wanted, wanted.abandoned ?? new FilerError(code, message));
    }
    this.#place?.[Symbol.dispose]();
  }

  /** @returns whether this was the last message */
  async #take(message: Message): Promise<boolean> {
    const type = message.header['type'];
    if (type === 'error') throw lastWord(message.header);
    if (type === 'working') return false;
    if (this.#offer === undefined) return await this.#takeOffer(message);
    switch (type) {
      case 'entries':
        await this.#takeEntries(message);
        return false;
      case 'file':
        await this.#takeFile(parseFile(message));
        return false;
      case 'chunk':
        await this.#takeChunk(message);
        return false;
      case 'end':
        await this.#takeEnd(parseEnd(message));
        return false;
      case 'abandon':
        await this.#takeAbandon(message);
        return false;
      case 'done':
        await this.#takeDone();
        return true;
      default:
        await takeStranger(this.#channel, message.header);
        return false;
    }
  }

  /** @returns whether it was refused */
  async #takeOffer(message: Message): Promise<boolean> {
    const { id, ...offer } = parseOffer(message);
    this.#emit({ type: 'offered', offer });
    try {
      await this.#pace.work(this.#prepare(offer));
    } catch (error) {
      if (!(error instanceof FilerError) || this.#gone.signal.aborted) throw error;
      this.#failure ??= error;
      await this.#channel.send({ type: 'error', re: id, code: error.code, message: error.message });
      return true;
    }
    this.#offer = offer;
    this.#allowance = allowanceOf(offer, this.#policy);
    await this.#say(formatAnswer(id));
    return false;
  }

  /** @throws FilerError why the offer is refused */
  async #prepare(offer: Offer): Promise<void> {
    const { inbox, folder } = this.#options;
    this.#place = await Place.open(inbox, folder, this.#sync);
    const left = await this.#space.left();
    if (offer.bytes > left.bytes || offer.files > left.files) {
      throw new FilerError(
        'no-space',
        `the receiver has no room for ${offer.files} files of ${offer.bytes} bytes together: free some there`,
      );
    }
    await this.#policy.accept?.(offer, this.#gone.signal);
  }

  async #takeEntries(message: Message): Promise<void> {
    const { id, first, last, entries } = parseEntries(message);
    if (this.#allAnnounced || first !== this.#nextEntry)
      throw outOfPlace(`a batch that begins at entry ${first}`);
    this.#nextEntry += entries.length;
    this.#allAnnounced = last;
    const left = await this.#space.left();
    const answers = entries.map((entry, index): EntryAnswer => {
      const { path: name, size } = entry;
      try {
        const components = judgeEntry(entry, this.#policy, this.#allowance, left);
        const promised = this.#space.promise(size);
        const wanted = { entry: first + index, name, components, size, promised, abandoned: undefined };
        this.#entries.set(wanted.entry, { ...wanted, state: 'wanted' });
        return { answer: 'want' };
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        const { code, message: why } = error;
        this.#result({ name, size, status: 'failed', code, message: why });
        return { answer: 'refused', code, message: why };
      }
    });
    await this.#say(formatEntriesAnswer(id, answers));
  }

  async #takeFile(start: FileStart): Promise<void> {
    const wanted = this.#entries.get(start.entry);
    if (this.#stream !== undefined || wanted === undefined || !BEGINNABLE.has(wanted.state)) {
      throw outOfPlace(`the beginning of entry ${start.entry}`);
    }
    const { entry, name } = wanted;
    const { size, mtimeNs, mode } = start;
    const stream: Stream = { wanted, size, part: undefined, position: 0 };
    this.#stream = stream;
    if (wanted.state === 'failed') return;
    wanted.state = 'open';
    wanted.abandoned = undefined;
    this.#emit({ type: 'started', entry, name, size });
    try {
      await this.#makeRoom(wanted, size);
      stream.part = new Part({ folder: this.#openPlace().folder, name, size, mtimeNs, mode });
    } catch (error) {
      this.#giveUp(wanted, error);
    }
  }

  /** The size may have changed since the entry was announced, and a stream that begins again needs room again. */
  async #makeRoom(wanted: Wanted, size: number): Promise<void> {
    if (wanted.promised !== undefined && wanted.size === size) return;
    wanted.promised?.release();
    wanted.promised = undefined;
    judgeSize(size, this.#policy, await this.#space.left());
    if (size - wanted.size > this.#allowance.bytes) {
      throw new FilerError('refused', 'it grew beyond what the offer showed: send it again');
    }
    this.#allowance.bytes -= size - wanted.size;
    wanted.size = size;
    wanted.promised = this.#space.promise(size);
  }

  async #takeChunk(message: Message): Promise<void> {
    const { entry, offset, content } = parseChunk(message);
    const stream = this.#streamOf(entry, 'a chunk');
    if (offset !== stream.position || offset + content.length > stream.size) {
      throw outOfPlace(`a chunk of ${content.length} bytes at ${offset} of entry ${entry}`);
    }
    stream.position += content.length;
    this.#bytesReceived += content.length;
    if (stream.part === undefined) return;
    const { wanted, position, size } = stream;
    try {
      await stream.part.append(content, () => this.#channel.recycle?.(content));
    } catch (error) {
      await stream.part.drop();
      stream.part = undefined;
      this.#giveUp(wanted, error);
      return;
    }
    wanted.promised?.use(content.length);
    const [bytesReceived, bytesTotal] = [this.#bytesReceived, this.#offer?.bytes ?? 0];
    this.#emit({
      type: 'progress',
      entry,
      name: wanted.name,
      fileBytes: position,
      fileSize: size,
      bytesReceived,
      bytesTotal,
    });
  }

  async #takeEnd(end: FileEnd): Promise<void> {
    const { wanted, part } = this.#streamOf(end.entry, 'an end');
    this.#stream = undefined;
    if (part === undefined) return;
    wanted.state = 'committing';
    const commit = this.#pace.work(this.#commit(wanted, part, end)).catch((error: unknown) => {
      this.#bug ??= bugOf(error);
      this.#fail(new FilerError('internal', 'the receiver failed', { cause: error }));
    });
    this.#commits.add(commit);
    void commit.then(() => this.#commits.delete(commit));
    if (this.#commits.size >= MAX_COMMITS) await Promise.race(this.#commits);
  }

  async #commit(wanted: Wanted, part: Part, end: FileEnd): Promise<void> {
    const { entry, name, size, components } = wanted;
    const place = this.#openPlace();
    let receipt: ReceiptFile;
    try {
      const digests = await part.verify(end);
      const wantedName = components.at(-1) ?? '';
      const taken = await place.inFolderOf(components, this.#sync, (folder) =>
        part.commit(folder, wantedName, this.#sync),
      );
      receipt = { entry, name, path: place.pathOf(components, taken), size, ...digests, synced: this.#sync };
    } catch (error) {
      await part.drop();
      this.#giveUp(wanted, error);
      return;
    }
    const { inbox, record } = this.#options;
    const { job = '', note = '' } = this.#offer ?? {};
    await record?.({ ...receipt, job, note, file: join(inbox, receipt.path) });
    wanted.promised?.release();
    this.#entries.delete(entry);
    this.#receipts.add(receipt);
    this.#result({ name, size, status: 'delivered', path: receipt.path, digest: receipt.digest });
  }

  async #takeAbandon(message: Message): Promise<void> {
    const { entry, code, message: why } = parseEntryFailure(message);
    const wanted = this.#entries.get(entry);
    const stream = this.#stream;
    if (
      wanted === undefined ||
      wanted.state === 'committing' ||
      (stream !== undefined && stream.wanted !== wanted)
    ) {
      throw outOfPlace(`the abandoning of entry ${entry}`);
    }
    await stream?.part?.drop();
    this.#stream = undefined;
    if (wanted.state === 'failed') return;
    wanted.state = 'wanted';
    wanted.abandoned = new FilerError(code, why);
    wanted.promised?.release();
    wanted.promised = undefined;
  }

  async #takeDone(): Promise<void> {
    const forgotten = [...this.#entries.values()].some(
      ({ state, abandoned }) => state === 'wanted' && !abandoned,
    );
    if (this.#stream !== undefined || !this.#allAnnounced || forgotten) throw outOfPlace('done');
    await Promise.all(this.#commits);
    this.#receipts.flush();
    if (this.#failure === undefined) await this.#say(formatTransferWord('done'));
  }

  #streamOf(entry: number, what: string): Stream {
    if (this.#stream?.wanted.entry !== entry) throw outOfPlace(`${what} of entry ${entry}`);
    return this.#stream;
  }

  #openPlace(): Place {
    if (this.#place === undefined) throw new Error('an accepted offer has a place');
    return this.#place;
  }

  /** One file cannot be taken, the others can. @throws what is no FilerError */
  #giveUp(wanted: Wanted, error: unknown): void {
    if (!(error instanceof FilerError)) throw error;
    const { code, message } = error;
    this.#tell(formatEntryFailure('failed', { entry: wanted.entry, code, message }));
    this.#settleFailed(wanted, error);
  }

  #settleFailed(wanted: Wanted, { code, message }: FilerError): void {
    wanted.promised?.release();
    wanted.promised = undefined;
    wanted.state = 'failed';
    const { name, size } = wanted;
    this.#result({ name, size, status: 'failed', code, message });
  }

  #issue(files: readonly ReceiptFile[]): void {
    const { network, senderId: sender, keyPair } = this.#options;
    const job = this.#offer?.job ?? '';
    this.#tell(formatReceipts(signReceipts({ network, job, sender, time: Date.now(), files }, keyPair)));
  }

  async #say(message: Message): Promise<void> {
    await send(this.#channel, message);
    this.#pace.grown();
  }

  /** Says it without waiting. That the connection is gone is noticed by whoever reads from it. */
  #tell(message: Message): void {
    this.#say(message).catch(() => undefined);
  }

  /** Ends the transfer early; the first reason counts. */
  #fail(error: FilerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#channel.reject(error);
  }

  #result(result: FileResult): void {
    this.#tally.add(result);
    this.#emit({ type: 'file', result });
  }

  #emit(event: ReceiveEvent): void {
    this.#options.on?.(event);
  }
}

const BEGINNABLE: ReadonlySet<Wanted['state']> = new Set(['wanted', 'failed']);

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  FilerError,
  formatAnswer,
  formatAsking,
  formatBasisAnswer,
  formatEntriesAnswer,
  formatEntryFailure,
  formatError,
  formatGot,
  formatReceipts,
  formatTransferWord,
  parseBasisRequest,
  parseChunk,
  parseEnd,
  parseEntries,
  parseEntryFailure,
  parseFile,
  parseGrow,
  parseOffer,
  parseSame,
  parseSkip,
  parseSmall,
  TRANSFER_LIMITS,
  parseUnsent,
  type Entries,
  type EntryFailure,
  type Got,
  type KeyPair,
  type Message,
  type Offer,
  type OnConflict,
  type ReceiptFile,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { bugOf, isOfTransfer, lastWord, lossOf, onAbort, outOfPlace, takeStranger } from './ending.ts';
import { FreeSpace, noRoom } from './free-space.ts';
import { Incoming } from './incoming.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import { keptBytesIn, KeptParts } from './kept-parts.ts';
import type { KnownDigests } from './known-digests.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { Place } from './place.ts';
import { Present, type PresentOptions } from './present.ts';
import { ReceiptBatches } from './receipt-batches.ts';
import { signReceipts } from './receipts.ts';
import { allowanceOf, judgeOffer, type Asker, type ReceivePolicy } from './receive-policy.ts';

const NO_CONTENT = Buffer.alloc(0);

/** A file in place, before its receipt is given; `present`: it was there, as the sender's is. */
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
      /** Of what was announced. */
      readonly bytesTotal: number;
      readonly filesTotal: number;
      /** Whether all was announced. */
      readonly complete: boolean;
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
  /** Where in the inbox, a relative path: as a rule the sender's name; empty for the inbox itself. */
  readonly folder: string | ((offer: Offer) => string);
  /** Shared by all transfers into this inbox. @default one for this transfer alone */
  readonly space?: FreeSpace | undefined;
  readonly policy?: ReceivePolicy | undefined;
  /** Whether files are brought to the disk before their receipt. @default true */
  readonly sync?: boolean | undefined;
  /** Digests that are remembered; shared by all transfers. @default none, all are read */
  readonly known?: KnownDigests | undefined;
  /** What `overwrite` and `newer` may replace. @default nothing: every file counts as someone else's */
  readonly delivered?: PresentOptions['delivered'] | undefined;
  /** What this side says of names that are taken. @default what the offer says */
  readonly onConflict?: OnConflict | undefined;
  /** Whether contents are read to be compared, whatever is remembered of them. @default what the offer says */
  readonly checksum?: boolean | undefined;
  /**
   * Of this receiver and place: in the names of its parts, so that they are nobody else's, and whoever knows it can
   * remove what a killed process left.
   *
   * @default none: the inbox is this receiver's alone
   */
  readonly mark?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: ReceiveEvent) => void) | undefined;
  /**
   * Notes a file that is in place; awaited before its receipt is given. Told of a file that was there only while its
   * digest is not remembered: what is remembered was noted then.
   */
  readonly record?: ((file: ReceivedFile) => void | Promise<void>) | undefined;
}

export interface ReceiveOutcome extends Outcome {
  /** Undefined when no offer came. */
  readonly job: string | undefined;
  readonly bytesReceived: number;
  /** Sizes of all that was announced. */
  readonly bytesTotal: number;
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

class Receiving implements IncomingOwner {
  readonly #channel: Channel;
  readonly #options: ReceiveOptions;
  readonly #pace: Pace;
  readonly #receipts = new ReceiptBatches((files) => this.#issue(files));
  readonly #tally = new Tally();
  /** Aborted when the connection is gone. */
  readonly #gone = new AbortController();
  /** What was accepted, and the files of it. */
  #accepted: { readonly offer: Offer; readonly place: Place; readonly incoming: Incoming } | undefined;
  /** What this side says while it is busy. */
  #working = formatTransferWord('working');
  #totalsAsked = false;
  #nextEntry = 0;
  #allAnnounced = false;
  #bytesReceived = 0;
  #bytesAnnounced = 0;
  #filesAnnounced = 0;
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: ReceiveOptions) {
    this.#channel = channel;
    channel.setLimits?.(TRANSFER_LIMITS);
    this.#options = options;
    this.#pace = new Pace(
      { announce: () => this.#tell(this.#working), stalled: (error) => this.#fail(error) },
      options,
    );
  }

  async run(): Promise<ReceiveOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#fail(reason));
    void this.#channel.closed.then(() => this.#gone.abort());
    try {
      await this.#listen();
    } catch (error) {
      this.#failWith(error);
    }
    listenNoMore();
    await this.#accepted?.incoming.stop(this.#failure ?? new FilerError('internal', 'the transfer was over'));
    this.#pace[Symbol.dispose]();
    this.#receipts[Symbol.dispose]();
    this.#accepted?.place[Symbol.dispose]();
    if (this.#bug !== undefined) throw this.#bug;
    const outcome = this.#tally.outcome(this.#failure);
    const [bytesReceived, bytesTotal] = [this.#bytesReceived, this.#bytesAnnounced];
    return { ...outcome, job: this.#accepted?.offer.job, bytesReceived, bytesTotal };
  }

  async #listen(): Promise<void> {
    for await (const message of this.#channel) {
      const type = message.header['type'];
      if (type === 'error') throw lastWord(message.header);
      if (type === 'working') {
        this.#pace.toldWorking();
        continue;
      }
      // What nobody takes does not keep the transfer alive.
      if (isOfTransfer(message.header)) this.#pace.grown();
      if (this.#accepted === undefined) {
        if (!(await this.#takeOffer(message))) return;
      } else {
        await this.#take(message, this.#accepted.incoming);
        if (type === 'done') return;
      }
    }
    throw await lossOf(this.#channel);
  }

  async #take(message: Message, incoming: Incoming): Promise<void> {
    switch (message.header['type']) {
      case 'entries':
        return await this.#takeEntries(parseEntries(message), incoming);
      case 'file':
        return await incoming.streams.begin(parseFile(message));
      case 'grow':
        return await incoming.streams.grow(parseGrow(message));
      case 'chunk': {
        const chunk = parseChunk(message);
        this.#bytesReceived += chunk.content.length;
        return await incoming.streams.chunk(chunk, () => this.#channel.recycle?.(chunk.content));
      }
      case 'small': {
        const file = parseSmall(message);
        this.#bytesReceived += file.size;
        return await incoming.streams.small(file, () => this.#channel.recycle?.(file.content));
      }
      case 'basis': {
        const request = parseBasisRequest(message);
        return await this.#say(
          formatBasisAnswer(request.id, await this.#pace.work(incoming.streams.basis(request))),
        );
      }
      case 'unsent': {
        const { path: name, code, message: why } = parseUnsent(message);
        return this.result({ name, size: 0, status: 'failed', code, message: why });
      }
      case 'skip':
        return await incoming.skip(parseSkip(message));
      case 'same':
        return await incoming.streams.same(parseSame(message));
      case 'end':
        return await incoming.streams.end(parseEnd(message));
      case 'abandon':
        return await incoming.streams.abandon(parseEntryFailure(message));
      case 'done':
        return await this.#takeDone(incoming);
      default:
        return await takeStranger(this.#channel, message.header);
    }
  }

  /** @returns whether the transfer goes on: the offer is taken, or another one may follow */
  async #takeOffer(message: Message): Promise<boolean> {
    const { id, ...offer } = parseOffer(message);
    this.#emit({ type: 'offered', offer });
    try {
      this.#accepted = await this.#pace.work(this.#prepare(offer));
    } catch (error) {
      if (!(error instanceof FilerError) || this.#failure !== undefined) throw error;
      if (this.#gone.signal.aborted) return true; // what the sender said last, if anything, comes next
      if (error.code === 'totals-needed' && !offer.complete && !this.#totalsAsked) {
        this.#totalsAsked = true;
        await this.#say({ header: formatError(error, id), content: NO_CONTENT });
        return true;
      }
      this.#failure = error;
      await this.#channel.send(formatError(error, id));
      return false;
    }
    this.#working = formatTransferWord('working');
    await this.#say(formatAnswer(id, true));
    return true;
  }

  /** @throws FilerError why the offer is refused */
  async #prepare(offer: Offer): Promise<{ offer: Offer; place: Place; incoming: Incoming }> {
    const {
      inbox,
      folder: where,
      senderId,
      policy = {},
      sync = true,
      space = new FreeSpace(inbox),
    } = this.#options;
    judgeOffer(offer, policy);
    const folder = typeof where === 'string' ? where : where(offer);
    const left = await space.left(offer.bytes);
    // What earlier tries left, and what came before, needs no room again: then each file is judged for itself.
    const isTooMuch = offer.bytes > left.bytes && offer.bytes > left.bytes + (await keptBytesIn(inbox));
    const isNew = !existsSync(join(inbox, folder));
    if (isNew && (isTooMuch || offer.files > left.files)) throw noRoom(offer.bytes);
    const allowance = allowanceOf(await policy.accept?.(offer, this.#asker()), policy);
    const { onConflict = offer.onConflict ?? 'rename', checksum = offer.checksum ?? false } = this.#options;
    const { known, mark, delivered = (): undefined => undefined } = this.#options;
    // Last: a refused offer leaves no folder behind.
    const place = await Place.open(inbox, folder, sync);
    const parts = new KeptParts(place, `${senderId}${mark ?? ''}`);
    const gone = this.#gone.signal;
    const present = new Present({ place, onConflict, known, checksum, delivered, signal: gone });
    const incoming = new Incoming(
      { place, parts, present, space, policy, allowance, sync, mark, gone },
      this,
    );
    return { offer, place, incoming };
  }

  #asker(): Asker {
    return {
      signal: this.#gone.signal,
      asked: () => {
        this.#working = formatAsking();
        this.#tell(this.#working);
      },
    };
  }

  async #takeEntries({ id, first, last, entries }: Entries, incoming: Incoming): Promise<void> {
    if (this.#allAnnounced || first !== this.#nextEntry)
      throw outOfPlace(`a batch that begins at entry ${first}`);
    this.#nextEntry += entries.length;
    this.#allAnnounced = last;
    const answers = await this.#pace.work(incoming.announce(first, entries));
    answers.forEach(({ answer }, index) => {
      const { kind, size } = entries[index] ?? { kind: 'dir', size: 0 };
      if (answer === 'unwanted') return;
      this.#bytesAnnounced += size;
      if (kind !== 'dir') this.#filesAnnounced++;
    });
    await this.#say(formatEntriesAnswer(id, answers));
    await incoming.vouch();
  }

  async #takeDone(incoming: Incoming): Promise<void> {
    if (!this.#allAnnounced) throw outOfPlace('done');
    await incoming.finish();
    this.#receipts.flush();
    if (this.#failure === undefined) await this.#say(formatTransferWord('done'));
  }

  started(entry: number, name: string, size: number): void {
    this.#emit({ type: 'started', entry, name, size });
  }

  got(got: Got): void {
    this.#tell(formatGot(got));
  }

  progress(entry: number, name: string, fileBytes: number, fileSize: number): void {
    const bytesTotal = Math.max(this.#accepted?.offer.bytes ?? 0, this.#bytesAnnounced);
    const [bytesReceived, filesTotal] = [this.#bytesReceived, this.#filesAnnounced];
    const totals = { bytesReceived, bytesTotal, filesTotal, complete: this.#allAnnounced };
    this.#emit({ type: 'progress', entry, name, fileBytes, fileSize, ...totals });
  }

  async inPlace(file: ReceiptFile): Promise<void> {
    const { inbox, record } = this.#options;
    const { job = '', note = '' } = this.#accepted?.offer ?? {};
    await record?.({ ...file, job, note, file: join(inbox, file.path) });
    this.#receipts.add(file);
  }

  wasThere(file: ReceiptFile): void {
    this.#receipts.add(file);
  }

  wereThere(files: readonly ReceiptFile[]): void {
    this.#receipts.addTogether(files);
  }

  failed(failure: EntryFailure): void {
    this.#tell(formatEntryFailure('failed', failure));
  }

  result(result: FileResult): void {
    this.#tally.add(result);
    this.#emit({ type: 'file', result });
  }

  async follow(work: Promise<void>): Promise<void> {
    try {
      await this.#pace.work(work);
    } catch (error) {
      this.#failWith(error);
    }
  }

  #issue(files: readonly ReceiptFile[]): void {
    const { network, senderId: sender, keyPair } = this.#options;
    const job = this.#accepted?.offer.job ?? '';
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

  /** What is no FilerError is a bug of ours, and thrown at the end. */
  #failWith(error: unknown): void {
    if (!(error instanceof FilerError)) this.#bug ??= bugOf(error);
    this.#fail(error instanceof FilerError ? error : new FilerError('internal', 'the receiver failed'));
  }

  /** Ends the transfer early; the first reason counts. */
  #fail(error: FilerError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#receipts.flush(); // for what is in place already
    this.#channel.reject(error);
  }

  #emit(event: ReceiveEvent): void {
    this.#options.on?.(event);
  }
}

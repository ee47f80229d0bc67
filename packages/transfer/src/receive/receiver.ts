import {
  FilerError,
  formatAnswer,
  formatAsking,
  formatBasisAnswer,
  formatEntriesAnswer,
  formatError,
  formatFailed,
  formatGot,
  formatReceipts,
  formatTransferWord,
  parseOffer,
  MAX_TRANSFER_ENTRIES,
  MAX_TRANSFER_NAME_CHARS,
  STREAM_OVERHEAD_BYTES,
  TRANSFER_LIMITS,
  parseUnsent,
  type Entries,
  type EntryFailure,
  type Got,
  type KeyPair,
  type Message,
  type Offer,
  type ReceiptFile,
  Router,
  isTransferProgress,
  entriesMessage,
  fileMessage,
  growMessage,
  chunkMessage,
  smallMessage,
  basisMessage,
  unsentMessage,
  skipMessage,
  sameMessage,
  endMessage,
  abandonMessage,
  doneMessage,
  type Unsent,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { asTold, bugOf, isChange, lastWord, lossOf, onAbort, outOfPlace, dispatch } from '../wire/ending.ts';
import type { Incoming } from './incoming.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { Tally, type FileResult, type Outcome } from '../wire/outcome.ts';
import { StallWatchdog, type StallOptions } from '../wire/stall-watchdog.ts';
import { permittedMode } from './permitted-mode.ts';
import { ReceiptBatches } from '../receipts/receipt-batches.ts';
import { signReceipts } from '../receipts/receipts.ts';
import type { ReceiveEvent } from './receive-event.ts';
import type { Asker } from './receive-policy.ts';
import { shownName } from '../disk/safe-path.ts';

const NO_CONTENT = Buffer.alloc(0);

/** What a receiver is told and asks, wherever the files go. */
export interface ReceiverOptions extends StallOptions {
  readonly network: string;
  /** Who receives, and signs for it. */
  readonly keyPair: KeyPair;
  /** As TLS proved. */
  readonly senderId: string;
  /** Whether a sender that was asked for what it has may have nothing: then `done` comes, and no offer. @default false */
  readonly mayBeNothing?: boolean | undefined;
  /** Entries that one transfer may tell of. @default MAX_TRANSFER_ENTRIES */
  readonly maxEntries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: ReceiveEvent) => void) | undefined;
  /** Whether who is told of it must catch up first: nothing more is taken until then. @default never */
  readonly caughtUp?: (() => Promise<void> | undefined) | undefined;
}

export interface ReceiveOutcome extends Outcome {
  /** Undefined when no offer came. */
  readonly job: string | undefined;
  readonly bytesReceived: number;
  /** Sizes of all that was announced. */
  readonly bytesTotal: number;
}

/** What was accepted, and the files of it. */
export interface Accepted extends Disposable {
  readonly offer: Offer;
  readonly incoming: Incoming;
}

/** Where the files of an offer go. */
export interface Reception {
  /**
   * Judges an offer, and makes all ready for its files.
   *
   * @param asker its signal is aborted when the sender is gone
   * @param owner told what becomes of the files
   * @throws FilerError why the offer is refused
   */
  accept(offer: Offer, asker: Asker, owner: IncomingOwner): Promise<Accepted>;
  /** Notes a file that is in place, before its receipt is given. */
  record?(file: ReceiptFile, offer: Offer): void | Promise<void>;
}

/** One side of a transfer: takes what a sender says, in its order, and answers. */
export class Receiver implements IncomingOwner {
  /** What follows the answer to the offer. */
  static readonly #router = new Router<Receiver, Promise<void> | void>({ on: 'transfer', as: 'receiver' })
    .on(entriesMessage, (entries, receiver) => receiver.#takeEntries(entries, receiver.#incoming))
    .on(fileMessage, (file, receiver) => receiver.#incoming.streams.begin(receiver.#withPermitted(file)))
    .on(growMessage, (grow, receiver) => receiver.#incoming.streams.grow(grow))
    .on(chunkMessage, (chunk, receiver) => {
      receiver.#bytesReceived += chunk.content.length;
      // Where it goes may take its time.
      return receiver.#watchdog.during(
        receiver.#incoming.streams.chunk(chunk, () => receiver.#channel.recycle?.(chunk.content)),
      );
    })
    .on(smallMessage, (small, receiver) => {
      const file = receiver.#withPermitted(small);
      receiver.#bytesReceived += file.size;
      return receiver.#incoming.streams.small(file, () => receiver.#channel.recycle?.(file.content));
    })
    .on(basisMessage, async (request, receiver) => {
      const digests = await receiver.#watchdog.work(receiver.#incoming.streams.basis(request));
      await receiver.#say(formatBasisAnswer(request.id, digests));
    })
    .on(unsentMessage, (unsent, receiver) => receiver.#takeUnsent(unsent))
    .on(skipMessage, (skip, receiver) => receiver.#incoming.skip(skip))
    .on(sameMessage, (same, receiver) => receiver.#incoming.streams.same(same))
    .on(endMessage, (end, receiver) => receiver.#incoming.streams.end(end))
    .on(abandonMessage, (failure, receiver, message) =>
      receiver.#incoming.streams.abandon(asTold(failure, receiver.#channel), isChange(message)),
    )
    .on(doneMessage, (_, receiver) => receiver.#takeDone(receiver.#incoming));
  readonly #channel: Channel;
  readonly #options: ReceiverOptions;
  readonly #reception: Reception;
  readonly #watchdog: StallWatchdog;
  readonly #receipts = new ReceiptBatches((files) => this.#issue(files));
  readonly #tally = new Tally();
  readonly #permitted = permittedMode();
  /** Aborted when the connection is gone. */
  readonly #gone = new AbortController();
  #accepted: Accepted | undefined;
  /** What this side says while it is busy. */
  #working = formatTransferWord('working');
  #totalsAsked = false;
  #nextEntry = 0;
  #entriesTold = 0;
  #nameCharsTold = 0;
  #allAnnounced = false;
  #bytesReceived = 0;
  #bytesAnnounced = 0;
  #filesAnnounced = 0;
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: ReceiverOptions, reception: Reception) {
    this.#channel = channel;
    channel.setLimits?.(TRANSFER_LIMITS);
    this.#options = options;
    this.#reception = reception;
    this.#watchdog = new StallWatchdog(
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
    this.#watchdog[Symbol.dispose]();
    this.#receipts[Symbol.dispose]();
    this.#accepted?.[Symbol.dispose]();
    if (this.#bug !== undefined) throw this.#bug;
    const outcome = this.#tally.outcome(this.#failure);
    const [bytesReceived, bytesTotal] = [this.#bytesReceived, this.#bytesAnnounced];
    return { ...outcome, job: this.#accepted?.offer.job, bytesReceived, bytesTotal };
  }

  async #listen(): Promise<void> {
    for await (const message of this.#channel) {
      const type = message.header['type'];
      if (type === 'error') throw lastWord(message.header, this.#channel);
      if (type === 'working') {
        this.#watchdog.toldWorking();
        continue;
      }
      // What nobody takes does not keep the transfer alive.
      if (type === 'chunk' || type === 'small') this.#watchdog.moved(message.content.length);
      if (type !== 'chunk' && isTransferProgress(message.header)) this.#watchdog.exchanged();
      if (this.#accepted === undefined) {
        if (await this.#tookNothing(message)) {
          if (type === 'done') return;
        } else if (!(await this.#takeOffer(message))) return;
      } else {
        await dispatch(Receiver.#router, this.#channel, message, this);
        if (type === 'done') return;
        await this.#caughtUp();
      }
    }
    throw await lossOf(this.#channel);
  }

  /** A sender tells of more than who is told can read. */
  async #caughtUp(): Promise<void> {
    const { caughtUp, signal } = this.#options;
    const waiting = caughtUp?.();
    if (waiting === undefined) return;
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    const listenNoMore = onAbort(signal, () => resolve());
    await this.#watchdog.work(Promise.race([waiting, stopped]));
    listenNoMore();
  }

  /** @returns whether that was the word of a sender that has nothing, or what it cannot send */
  async #tookNothing(message: Message): Promise<boolean> {
    const { type } = message.header;
    if (this.#options.mayBeNothing !== true || (type !== 'done' && type !== 'unsent')) return false;
    if (type === 'done') await this.#say(formatTransferWord('done'));
    else this.#takeUnsent(parseUnsent(message));
    return true;
  }

  /** @returns whether the transfer goes on: the offer is taken, or another one may follow */
  async #takeOffer(message: Message): Promise<boolean> {
    const { id, ...offer } = parseOffer(message);
    this.#emit({ type: 'offered', offer });
    try {
      this.#accepted = await this.#watchdog.work(this.#reception.accept(offer, this.#asker(), this));
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
    this.#announced(
      entries.length,
      entries.reduce((chars, { path }) => chars + path.length, 0),
    );
    this.#allAnnounced = last;
    const permitted = entries.map((entry) => this.#withPermitted(entry));
    const answers = await this.#watchdog.work(incoming.announce(first, permitted));
    answers.forEach(({ answer }, index) => {
      const { kind, size } = entries[index] ?? { kind: 'dir', size: 0 };
      if (answer !== 'refused') this.#watchdog.moved(STREAM_OVERHEAD_BYTES);
      if (answer === 'unwanted') return;
      this.#bytesAnnounced = Math.min(this.#bytesAnnounced + size, Number.MAX_SAFE_INTEGER);
      if (kind !== 'dir') this.#filesAnnounced++;
    });
    await this.#say(formatEntriesAnswer(id, answers));
    await incoming.vouch();
  }

  /** More entries are told of, what cannot be sent too. @throws FilerError `too-large` when it is more than one transfer may tell of */
  #announced(entries: number, nameChars: number): void {
    const { maxEntries = MAX_TRANSFER_ENTRIES } = this.#options;
    this.#entriesTold += entries;
    this.#nameCharsTold += nameChars;
    if (this.#entriesTold > maxEntries)
      throw new FilerError(
        'too-large',
        `more than ${maxEntries} files and folders are announced in one transfer: send fewer at a time, or pack them`,
      );
    if (this.#nameCharsTold > MAX_TRANSFER_NAME_CHARS)
      throw new FilerError(
        'too-large',
        `names of more than ${MAX_TRANSFER_NAME_CHARS} characters are announced in one transfer: send fewer files at a time, or pack them`,
      );
  }

  /** What another machine says of its mode, as far as it may count here. */
  #withPermitted<T extends { readonly mode: number }>(file: T): T {
    return { ...file, mode: this.#permitted(file.mode) };
  }

  async #takeDone(incoming: Incoming): Promise<void> {
    if (!this.#allAnnounced) throw outOfPlace('done');
    await incoming.finish();
    this.#receipts.flush();
    if (this.#failure === undefined) await this.#say(formatTransferWord('done'));
  }

  get #incoming(): Incoming {
    if (this.#accepted === undefined) throw new Error('the offer was accepted');
    return this.#accepted.incoming;
  }

  #takeUnsent(unsent: Unsent): void {
    const { path: name, code, message } = asTold(unsent, this.#channel);
    this.#announced(1, name.length);
    if (unsent.leftOut) return this.#emit({ type: 'left-out', name: shownName(name), why: message });
    this.result({ name, size: 0, status: 'failed', code, message, failedBy: 'peer' });
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
    if (this.#accepted !== undefined) await this.#reception.record?.(file, this.#accepted.offer);
    this.#receipts.add(file);
  }

  wasThere(file: ReceiptFile): void {
    this.#receipts.add(file);
  }

  wereThere(files: readonly ReceiptFile[]): void {
    this.#receipts.addTogether(files);
  }

  failed(failure: EntryFailure): void {
    this.#tell(formatFailed(failure));
  }

  result(told: FileResult): void {
    const result = told.status === 'failed' ? { ...told, name: shownName(told.name) } : told;
    if (result.status !== 'failed') this.#watchdog.moved(STREAM_OVERHEAD_BYTES);
    this.#tally.add(result);
    this.#emit({ type: 'file', result });
  }

  async follow(work: Promise<void>): Promise<void> {
    try {
      await this.#watchdog.work(work);
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
    this.#watchdog.exchanged();
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

import { join } from 'node:path';
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
  type Message,
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
import { send, type Channel } from './channel.ts';
import { asTold, bugOf, isChange, lastWord, lossOf, onAbort, outOfPlace, dispatch } from './ending.ts';
import type { Incoming } from './incoming.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { Tally, type FileResult } from './outcome.ts';
import { Pace } from './pace.ts';
import { permittedMode } from './permitted-mode.ts';
import { ReceiptBatches } from './receipt-batches.ts';
import { signReceipts } from './receipts.ts';
import type { ReceiveEvent } from './receive-event.ts';
import type { ReceiveOptions, ReceiveOutcome } from './receive-options.ts';
import type { Asker } from './receive-policy.ts';
import { shownName } from './safe-path.ts';
import { takeOffer, type Accepted } from './take-offer.ts';

const NO_CONTENT = Buffer.alloc(0);

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
  /** What follows the answer to the offer. */
  static readonly #router = new Router<Receiving, Promise<void> | void>({ on: 'transfer', as: 'receiver' })
    .on(entriesMessage, (entries, receiving) => receiving.#takeEntries(entries, receiving.#incoming))
    .on(fileMessage, (file, receiving) => receiving.#incoming.streams.begin(receiving.#withPermitted(file)))
    .on(growMessage, (grow, receiving) => receiving.#incoming.streams.grow(grow))
    .on(chunkMessage, (chunk, receiving) => {
      receiving.#bytesReceived += chunk.content.length;
      return receiving.#incoming.streams.chunk(chunk, () => receiving.#channel.recycle?.(chunk.content));
    })
    .on(smallMessage, (small, receiving) => {
      const file = receiving.#withPermitted(small);
      receiving.#bytesReceived += file.size;
      return receiving.#incoming.streams.small(file, () => receiving.#channel.recycle?.(file.content));
    })
    .on(basisMessage, async (request, receiving) => {
      const digests = await receiving.#pace.work(receiving.#incoming.streams.basis(request));
      await receiving.#say(formatBasisAnswer(request.id, digests));
    })
    .on(unsentMessage, (unsent, receiving) => receiving.#takeUnsent(unsent))
    .on(skipMessage, (skip, receiving) => receiving.#incoming.skip(skip))
    .on(sameMessage, (same, receiving) => receiving.#incoming.streams.same(same))
    .on(endMessage, (end, receiving) => receiving.#incoming.streams.end(end))
    .on(abandonMessage, (failure, receiving, message) =>
      receiving.#incoming.streams.abandon(asTold(failure, receiving.#channel), isChange(message)),
    )
    .on(doneMessage, (_, receiving) => receiving.#takeDone(receiving.#incoming));
  readonly #channel: Channel;
  readonly #options: ReceiveOptions;
  readonly #pace: Pace;
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
      if (type === 'error') throw lastWord(message.header, this.#channel);
      if (type === 'working') {
        this.#pace.toldWorking();
        continue;
      }
      // What nobody takes does not keep the transfer alive.
      if (type === 'chunk' || type === 'small') this.#pace.moved(message.content.length);
      if (type !== 'chunk' && isTransferProgress(message.header)) this.#pace.exchanged();
      if (this.#accepted === undefined) {
        if (await this.#tookNothing(message)) {
          if (type === 'done') return;
        } else if (!(await this.#takeOffer(message))) return;
      } else {
        await dispatch(Receiving.#router, this.#channel, message, this);
        if (type === 'done') return;
      }
    }
    throw await lossOf(this.#channel);
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
      this.#accepted = await this.#pace.work(takeOffer(offer, this.#options, this.#asker(), this));
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
    const answers = await this.#pace.work(incoming.announce(first, permitted));
    answers.forEach(({ answer }, index) => {
      const { kind, size } = entries[index] ?? { kind: 'dir', size: 0 };
      if (answer !== 'refused') this.#pace.moved(STREAM_OVERHEAD_BYTES);
      if (answer === 'unwanted') return;
      this.#bytesAnnounced = Math.min(this.#bytesAnnounced + size, Number.MAX_SAFE_INTEGER);
      if (kind !== 'dir') this.#filesAnnounced++;
    });
    await this.#say(formatEntriesAnswer(id, answers));
    await incoming.vouch();
  }

  /** More entries are told of, what cannot be sent too. @throws FilerError `too-large` when it is more than one transfer may tell of */
  #announced(entries: number, nameChars: number): void {
    const { maxEntries = MAX_TRANSFER_ENTRIES } = this.#options.policy ?? {};
    this.#entriesTold += entries;
    this.#nameCharsTold += nameChars;
    if (this.#entriesTold > maxEntries)
      throw new FilerError(
        'too-large',
        `more than ${maxEntries} files and folders are told of in one transfer: send fewer at a time, or pack them`,
      );
    if (this.#nameCharsTold > MAX_TRANSFER_NAME_CHARS)
      throw new FilerError(
        'too-large',
        `names of more than ${MAX_TRANSFER_NAME_CHARS} characters are told of in one transfer: send fewer files at a time, or pack them`,
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
    this.#tell(formatFailed(failure));
  }

  result(told: FileResult): void {
    const result = told.status === 'failed' ? { ...told, name: shownName(told.name) } : told;
    if (result.status !== 'failed') this.#pace.moved(STREAM_OVERHEAD_BYTES);
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
    this.#pace.exchanged();
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

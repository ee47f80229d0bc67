import {
  FilerError,
  formatAnswer,
  formatAsking,
  formatBasisAnswer,
  formatEntriesAnswer,
  formatExtrasAnswer,
  formatRemoved,
  formatError,
  formatTransferWord,
  parseOffer,
  STREAM_OVERHEAD_BYTES,
  TRANSFER_LIMITS,
  parseUnsent,
  type Entries,
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
  sealMessage,
  formatSealed,
  type StageWord,
  extrasMessage,
  removeMessage,
  callMessage,
  passOnMessage,
  holderMessage,
  relayedMessage,
  relayedFileMessage,
  repointMessage,
  supplyMessage,
  type ExtrasAsked,
  type RemoveAsked,
  type Unsent,
  unlessAborted,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { EarlyEnd } from '../wire/early-end.ts';
import { asTold, isChange, lastWord, lossOf, onAbort, outOfPlace, dispatch } from '../wire/ending.ts';
import type { Extras } from './extras.ts';
import type { Incoming } from './incoming.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { Outcome } from '../wire/outcome.ts';
import type { Limit } from '../wire/rate-limit.ts';
import { StallWatchdog, type StallOptions } from '../wire/stall-watchdog.ts';
import { permittedMode } from './permitted-mode.ts';
import { IncomingResults } from './incoming-results.ts';
import { signRemoved } from '../receipts/removed.ts';
import { IncomingTotals } from './incoming-totals.ts';
import type { ReceiveEvent } from './receive-event.ts';
import type { Asker } from './receive-policy.ts';
import { shownName } from '../disk/safe-path.ts';
import { RelayedStreams, type ReceiverPassing } from '../passing/relayed-streams.ts';

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
  /** How fast content is taken. @default as fast as it comes */
  readonly limit?: Limit | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: ReceiveEvent) => void) | undefined;
  /** Hands blocks on, and takes some of other recipients, as the sender says. @default all comes of the sender */
  readonly passing?: ReceiverPassing | undefined;
  /** Whether who is told about it must catch up first: nothing more is taken until then. @default never */
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
  /** What the sender delivered before, where the offer wants that removed. */
  readonly extras?: Pick<Extras, 'list' | 'remove'> | undefined;
  /** Of a stage: all that was announced is in it. @throws FilerError why it cannot be released */
  readonly seal?: (() => Promise<StageWord>) | undefined;
  /** Of a stage: notes files before their receipts are given. */
  readonly note?: ((files: readonly ReceiptFile[]) => void) | undefined;
}

/** Where the files of an offer go. */
export interface Reception {
  /**
   * Judges an offer, and makes all ready for its files.
   *
   * @param asker its signal is aborted when the sender is gone
   * @param owner told the outcome of each file
   * @throws FilerError why the offer is refused
   */
  accept(offer: Offer, asker: Asker, owner: IncomingOwner): Promise<Accepted>;
  /** Notes a file that is in place, before its receipt is given. */
  record?(file: ReceiptFile, offer: Offer): void | Promise<void>;
}

/** One side of a transfer: takes what a sender says, in its order, and answers. */
export class Receiver {
  /** What follows the answer to the offer. */
  static readonly #router = new Router<Receiver, Promise<void> | void>({ on: 'transfer', as: 'receiver' })
    .on(entriesMessage, (entries, receiver) => receiver.#takeEntries(entries))
    .on(fileMessage, (file, receiver) => receiver.#incoming.streams.begin(receiver.#withPermitted(file)))
    .on(growMessage, (grow, receiver) => receiver.#incoming.streams.grow(grow))
    .on(chunkMessage, async (chunk, receiver) => {
      receiver.#totals.bytesReceived += chunk.content.length;
      const { length } = chunk.content;
      // Where it goes may take its time.
      await receiver.#watchdog.during(
        receiver.#incoming.streams.chunk(chunk, () => receiver.#channel.recycle?.(chunk.content)),
      );
      await receiver.#paced(length);
    })
    .on(smallMessage, async (small, receiver) => {
      const file = receiver.#withPermitted(small);
      receiver.#totals.bytesReceived += file.size;
      await receiver.#incoming.streams.small(file, () => receiver.#channel.recycle?.(file.content));
      await receiver.#paced(file.size);
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
    .on(passOnMessage, (told, receiver) => receiver.#relayed.passOn(told))
    .on(holderMessage, (told, receiver) => receiver.#relayed.awaited.holder(told))
    .on(callMessage, (told, receiver) => receiver.#relayed.call(told))
    .on(repointMessage, (told, receiver) => receiver.#relayed.awaited.repoint(told))
    .on(supplyMessage, async (supply, receiver) => {
      const { length } = supply.content;
      receiver.#watchdog.moved(length);
      receiver.#relayed.awaited.supply(supply);
      receiver.#channel.recycle?.(supply.content);
      await receiver.#paced(length);
    })
    .on(relayedMessage, ({ bytes, block, from, ...at }, receiver) =>
      receiver.#relayed.await(block, bytes, from, async (content) => {
        receiver.#totals.bytesReceived += bytes;
        const streams = receiver.#incoming.streams;
        await receiver.#watchdog.during(streams.chunk({ ...at, block, content }, () => undefined));
        await receiver.#paced(bytes);
      }),
    )
    .on(relayedFileMessage, ({ from, ...told }, receiver) =>
      receiver.#relayed.await(told.digest, told.size, from, async (content) => {
        receiver.#totals.bytesReceived += told.size;
        await receiver.#incoming.streams.small(
          { ...receiver.#withPermitted(told), content },
          () => undefined,
        );
        await receiver.#paced(told.size);
      }),
    )
    .on(extrasMessage, ({ id, ...asked }, receiver) => receiver.#takeExtras(id, asked))
    .on(removeMessage, ({ id, ...asked }, receiver) => receiver.#takeRemove(id, asked))
    .on(sealMessage, ({ id }, receiver) => receiver.#takeSeal(id))
    .on(doneMessage, (_, receiver) => receiver.#takeDone());
  readonly #channel: Channel;
  readonly #options: ReceiverOptions;
  readonly #reception: Reception;
  readonly #watchdog: StallWatchdog;
  readonly #end: EarlyEnd;
  readonly #totals: IncomingTotals;
  readonly #results: IncomingResults;
  readonly #permitted = permittedMode();
  readonly #relayed: RelayedStreams;
  /** Aborted when the connection is gone. */
  readonly #gone = new AbortController();
  #accepted: Accepted | undefined;
  /** What this side says while it is busy. */
  #working = formatTransferWord('working');
  #totalsAsked = false;
  #saidDone = false;

  constructor(channel: Channel, options: ReceiverOptions, reception: Reception) {
    this.#channel = channel;
    channel.setLimits?.(TRANSFER_LIMITS);
    this.#options = options;
    this.#reception = reception;
    this.#end = new EarlyEnd('receiver', (reason) => {
      this.#results.flush(); // for what is in place already
      channel.reject(reason);
    });
    this.#watchdog = new StallWatchdog(
      { announce: () => this.#tell(this.#working), stalled: (error) => this.#end.by(error) },
      options,
    );
    this.#totals = new IncomingTotals(options.maxEntries);
    this.#results = new IncomingResults({
      ...options,
      totals: this.#totals,
      watchdog: this.#watchdog,
      end: this.#end,
      tell: (message) => this.#tell(message),
      on: (event) => options.on?.(event),
      record: (file, offer) => reception.record?.(file, offer),
      note: (files) => this.#accepted?.note?.(files),
    });
    this.#relayed = new RelayedStreams(options.passing, {
      tell: (message) => this.#tell(message),
      moved: (bytes) => {
        this.#watchdog.moved(bytes);
        this.#watchdog.exchanged();
      },
      failed: (error) => this.#end.by(error),
      drained: () => this.#accepted?.incoming.streams.tellTaken(),
    });
  }

  async run(): Promise<ReceiveOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#end.by(reason));
    void this.#channel.closed.then(() => this.#gone.abort());
    try {
      await this.#listen();
    } catch (error) {
      this.#end.by(error);
    }
    listenNoMore();
    const reason = this.#end.reason ?? new FilerError('internal', 'the transfer was over');
    await this.#relayed.close(reason);
    await this.#accepted?.incoming.stop(reason);
    this.#watchdog[Symbol.dispose]();
    this.#results[Symbol.dispose]();
    this.#accepted?.[Symbol.dispose]();
    this.#end.throwBug();
    const { bytesReceived, bytes: bytesTotal } = this.#totals;
    const job = this.#accepted?.offer.job;
    return { ...this.#results.outcome(this.#end.reason), job, bytesReceived, bytesTotal };
  }

  async #listen(): Promise<void> {
    for await (const message of this.#channel) {
      const type = message.header['type'];
      if (type === 'error') throw lastWord(message.header, this.#channel);
      if (type === 'working') {
        this.#watchdog.toldWorking();
        continue;
      }
      // What no one takes does not keep the transfer alive.
      if (type === 'chunk' || type === 'small') this.#watchdog.moved(message.content.length);
      if (type !== 'chunk' && isTransferProgress(message.header)) this.#watchdog.exchanged();
      if (this.#accepted === undefined) {
        if (await this.#tookNothing(message)) {
          if (type === 'done') return;
        } else if (!(await this.#takeOffer(message))) return;
      } else {
        await this.#relayed.inTurn(message, () => dispatch(Receiver.#router, this.#channel, message, this));
        if (this.#saidDone) return;
        await this.#caughtUp();
      }
    }
    if (this.#saidDone) return; // it waited for blocks of others, and the sender has gone since
    throw await lossOf(this.#channel);
  }

  /** What is not read yet holds the sender back. */
  async #paced(bytes: number): Promise<void> {
    const { limit, signal } = this.#options;
    if (limit === undefined || limit.pieceBytes === Infinity) return;
    const ends = AbortSignal.any([this.#gone.signal, ...(signal === undefined ? [] : [signal])]);
    // In pieces: who shares the limit waits for one of them, not for all that came at once.
    for (let left = bytes; left > 0 && !ends.aborted;) {
      const piece = Math.min(left, limit.pieceBytes);
      await this.#watchdog.during(limit.take(piece, ends));
      left -= piece;
    }
  }

  /** A sender tells of more than who is told can read. */
  async #caughtUp(): Promise<void> {
    const { caughtUp, signal } = this.#options;
    const waiting = caughtUp?.();
    if (waiting === undefined) return;
    // That it is aborted ends the transfer elsewhere.
    await this.#watchdog.work(unlessAborted(waiting, signal).catch(() => undefined));
  }

  /** @returns whether that was the word of a sender that has nothing, or what it cannot send */
  async #tookNothing(message: Message): Promise<boolean> {
    const { type } = message.header;
    if (this.#options.mayBeNothing !== true || (type !== 'done' && type !== 'unsent')) return false;
    if (type === 'done') await this.#say(formatTransferWord('done'));
    else this.#takeUnsent(parseUnsent(message));
    return true;
  }

  /** @returns whether the transfer continues: the offer is taken, or another one may follow */
  async #takeOffer(message: Message): Promise<boolean> {
    const { id, ...offer } = parseOffer(message);
    this.#options.on?.({ type: 'offered', offer });
    try {
      const accepting = this.#reception.accept(offer, this.#asker(), this.#results.ofOffer(offer));
      this.#accepted = await this.#watchdog.work(accepting);
    } catch (error) {
      if (!(error instanceof FilerError) || this.#end.reason !== undefined) throw error;
      if (this.#gone.signal.aborted) return true; // what the sender said last, if anything, comes next
      if (error.code === 'totals-needed' && !offer.complete && !this.#totalsAsked) {
        this.#totalsAsked = true;
        await this.#say({ header: formatError(error, id), content: NO_CONTENT });
        return true;
      }
      this.#end.refused(error);
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

  async #takeEntries(batch: Entries): Promise<void> {
    const { id, first, entries } = batch;
    const incoming = this.#incoming;
    this.#totals.batch(batch);
    const permitted = entries.map((entry) => this.#withPermitted(entry));
    const answers = await this.#watchdog.work(incoming.announce(first, permitted));
    for (const { answer } of answers) if (answer !== 'refused') this.#watchdog.moved(STREAM_OVERHEAD_BYTES);
    this.#totals.answered(batch, answers);
    await this.#say(formatEntriesAnswer(id, answers));
    await incoming.vouch();
  }

  /** What another machine says of its mode, as far as it may count here. */
  #withPermitted<T extends { readonly mode: number }>(file: T): T {
    return { ...file, mode: this.#permitted(file.mode) };
  }

  /** All that was announced is in place or has failed, and was told. */
  async #takeExtras(id: string, asked: ExtrasAsked): Promise<void> {
    const extras = this.#extras;
    await this.#watchdog.work(this.#incoming.finish());
    this.#results.flush();
    const page = await this.#watchdog.work(extras.list(asked));
    await this.#say(formatExtrasAnswer({ re: id, ...page }));
  }

  async #takeRemove(id: string, { names, dryRun }: RemoveAsked): Promise<void> {
    const { removed: files, kept } = await this.#watchdog.work(this.#extras.remove(names, dryRun));
    const { network, senderId: sender, keyPair } = this.#options;
    const job = this.#accepted?.offer.job ?? '';
    const claims = { network, job, sender, time: Date.now(), files };
    const removed = files.length === 0 ? null : signRemoved(claims, keyPair);
    await this.#say(formatRemoved({ re: id, removed, kept }));
  }

  get #extras(): NonNullable<Accepted['extras']> {
    const extras = this.#accepted?.extras;
    if (extras === undefined || !this.#totals.isComplete) throw outOfPlace('what is to be removed');
    return extras;
  }

  /** The word is given for a whole: where something failed, the sender tries again. */
  async #takeSeal(id: string): Promise<void> {
    const seal = this.#accepted?.seal;
    if (seal === undefined || !this.#totals.isComplete) throw outOfPlace('seal');
    await this.#watchdog.work(this.#incoming.finish());
    this.#results.flush();
    if (this.#end.reason !== undefined) throw this.#end.reason;
    if (!this.#results.outcome(undefined).ok)
      throw new FilerError('partial', 'not all of it arrived: send it again');
    const word = await this.#watchdog.work(seal());
    await this.#say(formatSealed({ re: id, word }));
  }

  async #takeDone(): Promise<void> {
    if (!this.#totals.isComplete) throw outOfPlace('done');
    await this.#incoming.finish();
    this.#results.flush();
    this.#relayed.tellCarried();
    if (this.#end.reason !== undefined) return;
    this.#saidDone = true;
    await this.#say(formatTransferWord('done'));
  }

  get #incoming(): Incoming {
    if (this.#accepted === undefined) throw new Error('the offer was accepted');
    return this.#accepted.incoming;
  }

  #takeUnsent(unsent: Unsent): void {
    const { path: name, code, message } = asTold(unsent, this.#channel);
    this.#totals.unsent(name);
    if (unsent.leftOut) this.#options.on?.({ type: 'left-out', name: shownName(name), why: message });
    else this.#results.result({ name, size: 0, status: 'failed', code, message, failedBy: 'peer' });
  }

  async #say(message: Message): Promise<void> {
    await send(this.#channel, message);
    this.#watchdog.exchanged();
  }

  /** Says it without waiting. A lost connection is noticed where it is read from. */
  #tell(message: Message): void {
    this.#say(message).catch(() => undefined);
  }
}

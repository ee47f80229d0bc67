import {
  FilerError,
  formatAnswer,
  formatAsking,
  formatError,
  formatTransferWord,
  isTransferProgress,
  parseOffer,
  parseUnsent,
  TRANSFER_LIMITS,
  type KeyPair,
  type Message,
} from '@filer/protocol';
import type { ReceiverPassing } from '../passing/relayed-streams.ts';
import { send, type Channel } from '../wire/channel.ts';
import { EarlyEnd } from '../wire/early-end.ts';
import { asTold, lastWord, lossOf, onAbort } from '../wire/ending.ts';
import type { Outcome } from '../wire/outcome.ts';
import { StallWatchdog, type StallOptions } from '../wire/stall-watchdog.ts';
import { AcceptedTransfer } from './accepted-transfer.ts';
import { IncomingResults } from './incoming-results.ts';
import { IncomingTotals } from './incoming-totals.ts';
import type { ReceiveEvent } from './receive-event.ts';
import { ReceivePace, type ReceivePaceOptions } from './receive-pace.ts';
import type { Asker } from './receive-policy.ts';
import type { Accepted, Reception } from './reception.ts';

const NO_CONTENT = Buffer.alloc(0);

/** What a receiver is told and asks, wherever the files go. */
export interface ReceiverOptions extends StallOptions, ReceivePaceOptions {
  readonly network: string;
  /** Who receives, and signs for it. */
  readonly keyPair: KeyPair;
  /** As TLS proved. */
  readonly senderId: string;
  /** Whether a sender that was asked for what it has may have nothing: then `done` comes, and no offer. @default false */
  readonly mayBeNothing?: boolean | undefined;
  /** Entries that one transfer may tell of. @default MAX_TRANSFER_ENTRIES */
  readonly maxEntries?: number | undefined;
  readonly on?: ((event: ReceiveEvent) => void) | undefined;
  /** Hands blocks on, and takes some of other recipients, as the sender says. @default all comes of the sender */
  readonly passing?: ReceiverPassing | undefined;
}

export interface ReceiveOutcome extends Outcome {
  /** Undefined when no offer came. */
  readonly job: string | undefined;
  readonly bytesReceived: number;
  /** Sizes of all that was announced. */
  readonly bytesTotal: number;
}

/** One side of a transfer: takes what a sender says, in its order, and answers. */
export class Receiver {
  readonly #channel: Channel;
  readonly #options: ReceiverOptions;
  readonly #reception: Reception;
  readonly #watchdog: StallWatchdog;
  readonly #end: EarlyEnd;
  readonly #totals: IncomingTotals;
  readonly #results: IncomingResults;
  readonly #pace: ReceivePace;
  /** Aborted when the connection is gone. */
  readonly #gone = new AbortController();
  #accepted: Accepted | undefined;
  /** What follows the answer to the offer. */
  #transfer: AcceptedTransfer | undefined;
  /** What this side says while it is busy. */
  #working = formatTransferWord('working');
  #totalsAsked = false;

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
    this.#pace = new ReceivePace(options, this.#watchdog, this.#gone.signal);
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
    await this.#transfer?.close(reason);
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
      if (this.#transfer === undefined) {
        if (await this.#tookNothing(message)) {
          if (type === 'done') return;
        } else if (!(await this.#takeOffer(message))) return;
      } else {
        await this.#transfer.take(message);
        if (this.#transfer.isOver) return;
        await this.#pace.caughtUp();
      }
    }
    if (this.#transfer?.isOver === true) return; // it waited for blocks of others, and the sender has gone since
    throw await lossOf(this.#channel);
  }

  /** @returns whether that was the word of a sender that has nothing, or what it cannot send */
  async #tookNothing(message: Message): Promise<boolean> {
    const { type } = message.header;
    if (this.#options.mayBeNothing !== true || (type !== 'done' && type !== 'unsent')) return false;
    if (type === 'done') await this.#say(formatTransferWord('done'));
    else this.#results.unsent(asTold(parseUnsent(message), this.#channel));
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
    this.#transfer = this.#begun(this.#accepted);
    this.#working = formatTransferWord('working');
    await this.#say(formatAnswer(id, { small: true, zeros: true }));
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

  #begun(accepted: Accepted): AcceptedTransfer {
    const { network, senderId, keyPair, passing } = this.#options;
    return new AcceptedTransfer({
      ...{ network, senderId, keyPair, passing, accepted },
      channel: this.#channel,
      totals: this.#totals,
      results: this.#results,
      watchdog: this.#watchdog,
      end: this.#end,
      pace: this.#pace,
      say: (message) => this.#say(message),
      tell: (message) => this.#tell(message),
    });
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

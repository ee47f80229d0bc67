import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatTransferWord,
  type EntryFailure,
  TRANSFER_LIMITS,
  type Message,
  Router,
  doneMessage,
  answerMessage,
  entriesAnswerMessage,
  basisAnswerMessage,
  gotMessage,
  failedMessage,
  receiptsMessage,
  extrasAnswerMessage,
  removedMessage,
  workingMessage,
  lackingMessage,
  carriedMessage,
  unreachedMessage,
  errorMessage,
  type Got,
  type TakenMessages,
  sealedMessage,
} from '@filer/protocol';
import type { RelayLane } from '../passing/relay-lane.ts';
import { send, type Channel } from '../wire/channel.ts';
import { EarlyEnd } from '../wire/early-end.ts';
import { asTold, lastWord, lossOf, onAbort, outOfPlace, dispatch } from '../wire/ending.ts';
import { Requests } from '../wire/requests.ts';
import { StallWatchdog } from '../wire/stall-watchdog.ts';
import { EntryAnnouncer } from './entry-announcer.ts';
import { FileSender } from './file-sender.ts';
import { mirrorSent } from './mirror-sent.ts';
import { propose } from './propose.ts';
import { ReceiptKeeping } from './receipt-keeping.ts';
import { sealSent } from './seal-sent.ts';
import type { SendOptions, SendOutcome } from './send-options.ts';
import { SendWindow } from './send-window.ts';
import { SentEntries } from './sent-entries.ts';
import { mayGoAgain } from './sent-file.ts';
import type { Source } from './source.ts';
import { countAll, SourceBatcher, Tops, type Totals } from './source-batcher.ts';
import { UnsentFiles } from './unsent-files.ts';

/** Entries in the first batch: the first file is on its way before much was walked. */
const FIRST_BATCH = 100;

/**
 * Sends files over a channel on which nothing of a transfer was said yet.
 *
 * What goes wrong, with one file or with all, stands in the outcome; only a bug makes it reject. After an
 * orderly end (a declined offer is one) the channel is still open, and its owner's to close.
 */
export function sendFiles(channel: Channel, options: SendOptions): Promise<SendOutcome> {
  return new Sending(channel, options).run();
}

/** The conversation: the offer, what is announced, and what the receiver says meanwhile. */
class Sending {
  static readonly #router = new Router<Sending, Promise<void> | void>({ on: 'transfer', as: 'sender' })
    .onUnparsed(errorMessage, (message, sending) => {
      if (message.header['re'] === undefined) throw lastWord(message.header, sending.#channel);
      sending.#takeAnswer(message);
    })
    // Who asked parses the answer.
    .onUnparsed(answerMessage, (message, sending) => sending.#takeAnswer(message))
    .onUnparsed(entriesAnswerMessage, (message, sending) => sending.#takeAnswer(message))
    .onUnparsed(basisAnswerMessage, (message, sending) => sending.#takeAnswer(message))
    .onUnparsed(extrasAnswerMessage, (message, sending) => sending.#takeAnswer(message))
    .onUnparsed(sealedMessage, (message, sending) => sending.#takeAnswer(message))
    .onUnparsed(removedMessage, (message, sending) => sending.#takeAnswer(message))
    .on(gotMessage, (got, sending) => sending.#takeGot(got))
    .on(failedMessage, (failure, sending) => sending.#takeFailure(failure))
    .on(receiptsMessage, (batch, sending) => sending.#receipts.take(batch))
    .on(workingMessage, ({ asking }, sending) => sending.#takeWorking(asking))
    .on(lackingMessage, (lacking, sending) => sending.#requireLane().lacking(lacking))
    .on(unreachedMessage, (unreached, sending) => sending.#requireLane().unreached(unreached))
    .on(carriedMessage, ({ carried }, sending) => sending.#requireLane().carried(carried))
    .on(doneMessage, (_, sending) => {
      if (!sending.#saidDone) throw outOfPlace('done');
    });
  readonly #channel: Channel;
  readonly #options: SendOptions;
  readonly #job: string;
  readonly #watchdog: StallWatchdog;
  readonly #requests: Requests;
  readonly #sendWindow = new SendWindow();
  readonly #batcher: SourceBatcher;
  readonly #unsent: UnsentFiles;
  readonly #entries: SentEntries;
  readonly #announcer: EntryAnnouncer;
  readonly #receipts: ReceiptKeeping;
  #lane: RelayLane | undefined;
  /** Aborted when the transfer has failed. */
  readonly #stop = new AbortController();
  /** The offer is. */
  #isAnswered = false;
  #saidDone = false;
  /** Rejects when the transfer ends early: no one waits for more then. */
  readonly #over = Promise.withResolvers<never>();
  readonly #end = new EarlyEnd('sender', (reason) => {
    this.#stop.abort();
    this.#channel.reject(reason);
    this.#requests.fail(reason);
    this.#over.reject(reason);
    this.#sendWindow.fail(reason);
  });

  constructor(channel: Channel, options: SendOptions) {
    this.#over.promise.catch(() => undefined); // for when no one waits
    this.#channel = channel;
    channel.setLimits?.(TRANSFER_LIMITS);
    this.#options = options;
    this.#job = options.job ?? randomBytes(16).toString('base64url');
    this.#requests = new Requests(channel);
    this.#unsent = new UnsentFiles(channel, options);
    this.#batcher = new SourceBatcher(options.files, {
      ignored: options.ignored,
      onlyEntered: options.onlyEntered,
      links: options.links,
      leftOut: ({ file, name, error }) => this.#unsent.leftOut(file, name, error),
      failed: ({ file, name, error }) => {
        this.#unsent.failed(name, error);
        this.#entries.unsendable(file, name, error);
      },
    });
    this.#entries = new SentEntries(this.#batcher, options.on);
    this.#announcer = new EntryAnnouncer(this.#batcher, this.#entries, this.#requests, {
      ...options,
      who: channel.who,
    });
    this.#watchdog = new StallWatchdog(
      {
        announce: () => void send(channel, formatTransferWord('working')).catch(() => undefined),
        stalled: (error) => this.#end.by(error),
      },
      options,
    );
    const { network, senderId: sender, receiverId: receiver, keep } = options;
    this.#receipts = new ReceiptKeeping(this.#entries, {
      expected: { network, sender, receiver, job: this.#job },
      pace: this.#watchdog,
      keep,
      failed: (error) => this.#end.by(error),
    });
  }

  async run(): Promise<SendOutcome> {
    const listenNoMore = onAbort(this.#options.signal, (reason) => this.#end.by(reason));
    try {
      const first = await this.#batcher.next(FIRST_BATCH);
      if (this.#end.reason === undefined) {
        if (first.length > 0) await this.#converse(first);
        else if (this.#options.tellsNothing === true) await this.#sayNothing();
      }
    } catch (error) {
      this.#end.by(error);
    }
    listenNoMore();
    this.#lane?.close(this.#end.reason === undefined);
    await this.#receipts.settled();
    await this.#batcher.close();
    this.#watchdog[Symbol.dispose]();
    this.#end.throwBug();
    const outcome = this.#entries.close(this.#end.reason);
    return {
      ...outcome,
      job: this.#job,
      bytesSent: this.#entries.bytesSent,
      bytesTotal: this.#batcher.bytes,
    };
  }

  async #converse(first: readonly Source[]): Promise<void> {
    this.#announcer.begin(first);
    const over = this.#listen();
    over.catch(() => undefined); // awaited at the end; until then requests and sends tell of a loss
    const files = await this.#offer(first);
    if (files === undefined) return;
    while (await this.#announcer.advance()) {
      await this.#unsent.tell();
      for (const file of await this.#announcer.wanted()) await files.send(file);
    }
    files.finish();
    await this.#close();
    await this.#sayDone(over);
  }

  /** Has what was sent sealed, or what is no longer here removed, as the offer said. */
  async #close(): Promise<void> {
    const settled = (): Promise<void> => this.#receipts.settled();
    const sent = { ...this.#options, job: this.#job, entries: this.#entries, settled };
    const { files, folders } = this.#batcher;
    if (this.#options.stage === true) await sealSent(this.#requests, { ...sent, files });
    else if (this.#options.mirror === true) await mirrorSent(this.#requests, { ...sent, folders });
  }

  /** There is nothing to offer, but perhaps what cannot go. */
  async #sayNothing(): Promise<void> {
    const over = this.#listen();
    over.catch(() => undefined); // as in `converse`
    await this.#sayDone(over);
  }

  async #sayDone(over: Promise<void>): Promise<void> {
    await this.#unsent.tell();
    this.#saidDone = true;
    await send(this.#channel, formatTransferWord('done'));
    await over;
  }

  /** @returns what sends the files; undefined when the offer was refused */
  async #offer(first: readonly Source[]): Promise<FileSender | undefined> {
    const tops = new Tops();
    for (const source of first) tops.add(source, source.size);
    const { isCounted, files, bytes, largest } = this.#batcher;
    const totals = { complete: isCounted, files, bytes, largest };
    const { note = '', onConflict, checksum, mirror, stage } = this.#options;
    const { names, contents } = tops;
    const told = isCounted ? { names, contents } : { names };
    const offer = { job: this.#job, ...totals, ...told, note, onConflict, checksum, mirror, stage };
    try {
      const taken = await propose(this.#requests, offer, () => this.#countAll());
      this.#isAnswered = true;
      await this.#watchdog.work(Promise.resolve(this.#options.accepted?.()));
      if (this.#end.reason !== undefined) throw this.#end.reason;
      this.#enterRace();
      return this.#fileSender(taken);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#end.refused(error);
      return undefined;
    }
  }

  #enterRace(): void {
    const { relay, limit } = this.#options;
    if (relay === undefined) return;
    this.#lane = relay.race.enter(relay.member, {
      channel: this.#channel,
      limit,
      joined: relay.joined,
      supplied: (bytes) => this.#entries.supplied(bytes),
      stop: this.#stop.signal,
      failed: (error) => this.#end.by(error),
    });
  }

  #fileSender(taken: TakenMessages): FileSender {
    return new FileSender({
      ...this.#options,
      taken,
      channel: this.#channel,
      requests: this.#requests,
      batcher: this.#batcher,
      entries: this.#entries,
      watchdog: this.#watchdog,
      sendWindow: this.#sendWindow,
      lane: this.#lane,
      end: this.#end,
      over: this.#over.promise,
      stop: this.#stop.signal,
    });
  }

  /** @throws FilerError `unexpected-message` outside of a race */
  #requireLane(): RelayLane {
    if (this.#lane === undefined) throw outOfPlace('what concerns other recipients');
    return this.#lane;
  }

  async #countAll(): Promise<Totals> {
    const { files, ignored, onlyEntered, links } = this.#options;
    const counting = countAll(files, { ignored, onlyEntered, links }, () => this.#end.reason !== undefined);
    return await this.#watchdog.work(Promise.race([counting, this.#over.promise]));
  }

  /** Takes what the receiver says until its `done`. @throws FilerError what ends the transfer early */
  async #listen(): Promise<void> {
    try {
      for await (const message of this.#channel) {
        this.#lane?.heard();
        await dispatch(Sending.#router, this.#channel, message, this);
        if (message.header['type'] === 'done') return;
      }
      throw await lossOf(this.#channel);
    } catch (error) {
      this.#end.by(error);
      throw error;
    }
  }

  /** @throws FilerError `unexpected-message`, what the question makes of it */
  #takeAnswer(message: Message): void {
    this.#requests.answered(message);
    this.#watchdog.grown();
  }

  #takeGot(got: Got): void {
    this.#entries.requireFound(got.entry);
    const bytes = this.#sendWindow.got(got);
    this.#lane?.got(got);
    if (bytes > 0) this.#watchdog.exchanged();
    this.#watchdog.moved(bytes);
  }

  /** A person may think for as long as it takes; a machine that works says so for an hour at most. */
  #takeWorking(isAsking: boolean): void {
    if (!isAsking || this.#isAnswered) return this.#watchdog.toldWorking();
    this.#watchdog.toldAsking();
    this.#options.on?.({ type: 'waiting' });
  }

  #takeFailure(told: EntryFailure): void {
    const failure = asTold(told, this.#channel);
    const file = this.#entries.refusable(failure.entry);
    if (file === undefined) return;
    this.#watchdog.grown();
    file.refusal = failure;
    if (mayGoAgain(file, failure)) file.again = true;
    else this.#entries.failed(failure.entry, failure, 'peer');
  }
}

import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatBasisRequest,
  formatSkip,
  formatTransferWord,
  formatUnsent,
  parseBasisAnswer,
  type EntryFailure,
  TRANSFER_LIMITS,
  type Message,
  type PresentFile,
  type Unsent,
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
  formatSeal,
  parseSealed,
  sealedMessage,
  verifyStageWord,
} from '@filer/protocol';
import { EntryAnnouncer } from './entry-announcer.ts';
import { send, type Channel } from '../wire/channel.ts';
import { compareWithThere } from './compare-existing.ts';
import { EarlyEnd } from '../wire/early-end.ts';
import { asTold, lastWord, lossOf, onAbort, outOfPlace, dispatch } from '../wire/ending.ts';
import type { Extent } from '../wire/growing.ts';
import { SendWindow } from './send-window.ts';
import { mirrorSent } from './mirror-sent.ts';
import { Outgoing } from './outgoing.ts';
import { mayGoAgain, type OutgoingOwner, type SentFile } from './sent-file.ts';
import { StallWatchdog } from '../wire/stall-watchdog.ts';
import { ReceiptKeeping } from './receipt-keeping.ts';
import { Requests } from '../wire/requests.ts';
import type { RelayLane } from '../passing/relay-lane.ts';
import type { SendOptions, SendOutcome } from './send-options.ts';
import { SentEntries } from './sent-entries.ts';
import type { Source } from './source.ts';
import { countAll, SourceBatcher, Tops, type Totals } from './source-batcher.ts';
import { propose } from './propose.ts';

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

class Sending implements OutgoingOwner {
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
  readonly #outgoing: Outgoing;
  readonly #batcher: SourceBatcher;
  /** What cannot go, and was not told yet. */
  readonly #unsent: Unsent[] = [];
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
    this.#outgoing = new Outgoing(channel, this.#sendWindow, this, options, this.#stop.signal);
    this.#batcher = new SourceBatcher(options.files, {
      ignored: options.ignored,
      onlyEntered: options.onlyEntered,
      links: options.links,
      leftOut: ({ file, name, error }) => this.#leaveOut(file, name, error),
      failed: ({ file, name, error }) => {
        const { code, message } = error;
        if (options.tellsUnsent === true) this.#unsent.push({ path: name, code, message, leftOut: false });
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
    if (!(await this.#offer(first))) return;
    while (await this.#announcer.advance()) {
      await this.#tellUnsent();
      for (const file of await this.#announcer.wanted()) await this.#sendFile(file);
    }
    this.#outgoing.flush();
    this.#lane?.at(Number.MAX_SAFE_INTEGER, 0);
    if (this.#options.stage === true) await this.#seal();
    else if (this.#options.mirror === true)
      await mirrorSent(this.#requests, {
        ...this.#options,
        job: this.#job,
        folders: this.#batcher.folders,
        entries: this.#entries,
        settled: () => this.#receipts.settled(),
      });
    await this.#sayDone(over);
  }

  /** Has a stage sealed, unless something of it has failed: then what is there of it stays for the next try. */
  async #seal(): Promise<void> {
    if (this.#entries.hasFailed) return;
    const { network, senderId: sender, receiverId: receiver, keepStaged } = this.#options;
    const word = await this.#requests.ask(
      'sealed',
      (id) => formatSeal({ id }),
      (answer) => parseSealed(answer).word,
    );
    await this.#receipts.settled();
    if (this.#entries.hasFailed) return;
    verifyStageWord(word, { network, job: this.#job, sender, receiver });
    if (word.state !== 'staged')
      throw new FilerError(
        'verification-failed',
        `the receiver signed that the job is ${word.state}, and not staged`,
      );
    const { files } = this.#batcher;
    if (word.files !== files)
      throw new FilerError(
        'verification-failed',
        `the receiver signed that ${word.files} files are staged, and ${files} were sent`,
      );
    await keepStaged?.(word);
  }

  /** There is nothing to offer, but perhaps what cannot go. */
  async #sayNothing(): Promise<void> {
    const over = this.#listen();
    over.catch(() => undefined); // as in `converse`
    await this.#sayDone(over);
  }

  async #sayDone(over: Promise<void>): Promise<void> {
    await this.#tellUnsent();
    this.#outgoing.flush();
    this.#saidDone = true;
    await send(this.#channel, formatTransferWord('done'));
    await over;
  }

  #leaveOut(file: string, name: string, error: FilerError | undefined): void {
    if (error !== undefined && this.#options.tellsUnsent === true)
      this.#unsent.push({ path: name, code: error.code, message: error.message, leftOut: true });
    const why = error === undefined ? {} : { why: error.message };
    this.#options.on?.({ type: 'left-out', file, name, ...why });
  }

  /** Tells who fetches what of it cannot go. */
  async #tellUnsent(): Promise<void> {
    for (const each of this.#unsent.splice(0)) await send(this.#channel, formatUnsent(each));
  }

  /** @returns whether the offer was taken */
  async #offer(first: readonly Source[]): Promise<boolean> {
    const tops = new Tops();
    for (const source of first) tops.add(source, source.size);
    const { isCounted, files, bytes, largest } = this.#batcher;
    const totals = { complete: isCounted, files, bytes, largest };
    const { note = '', onConflict, checksum, mirror, stage } = this.#options;
    const { names, contents } = tops;
    const told = isCounted ? { names, contents } : { names };
    const offer = { job: this.#job, ...totals, ...told, note, onConflict, checksum, mirror, stage };
    try {
      this.#outgoing.packsSmall = await propose(this.#requests, offer, () => this.#countAll());
      this.#isAnswered = true;
      await this.#watchdog.work(Promise.resolve(this.#options.accepted?.()));
      if (this.#end.reason !== undefined) throw this.#end.reason;
      this.#enterRace();
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#end.refused(error);
      return false;
    }
  }

  #enterRace(): void {
    const { relay, limit } = this.#options;
    if (relay === undefined) return;
    this.#lane = relay.race.enter(relay.member, {
      channel: this.#channel,
      limit,
      joined: relay.joined,
      stop: this.#stop.signal,
      failed: (error) => this.#end.by(error),
    });
    this.#outgoing.lane = this.#lane;
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

  async #sendFile(file: SentFile): Promise<void> {
    if (this.#end.reason !== undefined) throw this.#end.reason;
    this.#lane?.found(this.#batcher.bytes);
    this.#lane?.at(file.entry, 0);
    const isWhole = file.source.growing === undefined;
    if (isWhole && file.files !== undefined && (await this.#watchdog.work(this.#skip(file, file.files))))
      return;
    const sentAt = Date.now();
    const failure = await this.#outgoing.send(file);
    if (failure !== undefined) this.#entries.failed(file.entry, failure, 'here');
    const { end, identity } = file;
    if (end !== undefined && identity !== undefined) this.#options.known?.keepRead(identity, end, sentAt);
  }

  /** Tells the receiver that a file is one of those that it has. @returns whether it is */
  async #skip(file: SentFile, there: readonly PresentFile[]): Promise<boolean> {
    const digest = await compareWithThere(file, there, this.#options.known);
    if (digest === undefined) return false;
    await send(this.#channel, formatSkip({ entry: file.entry, digest }));
    return true;
  }

  started(file: SentFile): void {
    this.#entries.started(file);
  }

  async reach(file: SentFile, bytes: number): Promise<Extent> {
    const { growing, size } = file.source;
    if (growing === undefined) return { bytes: size, complete: true };
    const known = file.extent ?? { bytes: size, complete: false };
    file.extent = await this.#watchdog.work(Promise.race([growing.reach(bytes), this.#over.promise]));
    this.#batcher.grown(file.extent.bytes - known.bytes, file.extent.complete && !known.complete);
    return file.extent;
  }

  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean {
    this.#watchdog.exchanged();
    this.#watchdog.moved(bytes);
    return this.#entries.sent(file, bytes, fileBytes, fileSize);
  }

  async basis(entry: number, first: number, count: number): Promise<Buffer> {
    return await this.#requests.ask(
      'basis-answer',
      (id) => formatBasisRequest({ id, entry, first, count }),
      (answer) => parseBasisAnswer(answer, count),
    );
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

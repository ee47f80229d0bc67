import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatBasisRequest,
  formatEntries,
  formatOffer,
  formatSkip,
  formatTransferWord,
  formatUnsent,
  isAsking,
  MAX_ENTRIES_PER_BATCH,
  parseBasisAnswer,
  parseEntriesAnswer,
  parseEntryFailure,
  parseGot,
  parseReceipts,
  type EntryAnswer,
  type EntryFailure,
  systemCode,
  takesSmall,
  TRANSFER_LIMITS,
  type Header,
  type Message,
  type Offer,
  type OnConflict,
  type PresentFile,
  type ReceiptBatch,
  type Unsent,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { checkReceipts } from './check-receipts.ts';
import { bugOf, lastWord, lossOf, onAbort, outOfPlace, takeStranger } from './ending.ts';
import type { Extent } from './growing.ts';
import { Lead } from './lead.ts';
import { Outgoing, type OutgoingOptions, type OutgoingOwner, type SentFile } from './outgoing.ts';
import { Tally, type FileResult, type Outcome } from './outcome.ts';
import { Pace, type PaceOptions } from './pace.ts';
import { Requests } from './requests.ts';
import { BlockList, EMPTY_DIGESTS, sealOf } from './digests.ts';
import { readDigests, type KnownDigests, type ReadFile } from './known-digests.ts';
import { atSource, openFlags, type Source, type SourceFile } from './source.ts';
import { countAll, Supply } from './supply.ts';
import type { WalkOptions } from './walk.ts';

/** Batches of entries that may wait for their answer: a round trip costs no stream. */
const MAX_BATCHES_IN_FLIGHT = 4;

/** Entries in the first batch: the first file is on its way before much was walked. */
const FIRST_BATCH = 100;

/** Batches of receipts that may be on their way to the disk while more come in. */
const MAX_KEEPING = 16;

/** Entries that were announced together. */
interface Batch {
  /** The files among them that the receiver wants. */
  readonly wanted: Promise<readonly SentFile[]>;
  answered: boolean;
}

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
      /** Bytes that went or are there already, of all files that have not failed. */
      readonly bytesDone: number;
      readonly bytesTotal: number;
      /** Files and links that have their result. */
      readonly filesDone: number;
      readonly filesTotal: number;
      /** Whether the totals are final: everything was found. */
      readonly complete: boolean;
    }
  /** A person at the other end was asked, and has not answered. */
  | { readonly type: 'waiting' }
  | { readonly type: 'file'; readonly file: string; readonly result: FileResult };

export interface SendOptions extends PaceOptions, OutgoingOptions {
  /** Files, and folders with all that lies in them. */
  readonly files: readonly SourceFile[];
  /** What inside the folders stays here. */
  readonly ignored?: WalkOptions['ignored'];
  readonly network: string;
  readonly senderId: string;
  /** Whose receipts count, as TLS proved. */
  readonly receiverId: string;
  /** @default 16 random bytes, base64url */
  readonly job?: string | undefined;
  /** Words for the person at the other end. @default none */
  readonly note?: string | undefined;
  /** What becomes of a file whose name is taken. @default rename */
  readonly onConflict?: OnConflict | undefined;
  /** Whether contents are read to be compared, whatever is remembered of them. @default false */
  readonly checksum?: boolean | undefined;
  /** Digests that are remembered; shared by all transfers. @default none */
  readonly known?: KnownDigests | undefined;
  /** Whether the receiver, who fetches, is told what of it stays here. @default false */
  readonly tellsUnsent?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: SendEvent) => void) | undefined;
  /** The offer was accepted; awaited before anything is sent. */
  readonly accepted?: (() => void | Promise<void>) | undefined;
  /** Stores verified receipts; awaited before their files count as delivered. `fileOf` tells where an entry lies here. */
  readonly keep?:
    ((receipts: ReceiptBatch, fileOf: (entry: number) => string) => void | Promise<void>) | undefined;
}

export interface SendOutcome extends Outcome {
  readonly job: string;
  /** Content bytes put on the wire. */
  readonly bytesSent: number;
  /** Sizes of all files that could be offered: of those that were found, when it ended early. */
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
  readonly #lead = new Lead();
  readonly #outgoing: Outgoing;
  readonly #supply: Supply;
  /** What cannot go, and was not told yet. */
  readonly #unsent: Unsent[] = [];
  readonly #tally = new Tally();
  /** Entries without a result yet. */
  readonly #unsettled = new Map<number, SentFile>();
  /** Receipts that are being kept; they never reject. */
  readonly #keeping = new Set<Promise<void>>();
  /** Aborted when the transfer has failed. */
  readonly #stop = new AbortController();
  #bytesSent = 0;
  #bytesDone = 0;
  #filesDone = 0;
  /** The offer is. */
  #isAnswered = false;
  #saidDone = false;
  /** Rejects when the transfer ends early: nobody waits for more then. */
  readonly #over = Promise.withResolvers<never>();
  #failure: FilerError | undefined;
  #bug: Error | undefined;

  constructor(channel: Channel, options: SendOptions) {
    this.#over.promise.catch(() => undefined); // for when nobody waits
    this.#channel = channel;
    channel.setLimits?.(TRANSFER_LIMITS);
    this.#options = options;
    this.#job = options.job ?? randomBytes(16).toString('base64url');
    this.#requests = new Requests(channel);
    this.#outgoing = new Outgoing(channel, this.#lead, this, options, this.#stop.signal);
    this.#supply = new Supply(options.files, {
      ignored: options.ignored,
      failed: ({ file, name, error: { code, message } }) => {
        if (options.tellsUnsent === true) this.#unsent.push({ path: name, code, message });
        this.#result(file, { name, size: 0, status: 'failed', code, message });
      },
    });
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
      const first = await this.#supply.next(FIRST_BATCH);
      if (first.length > 0 && this.#failure === undefined) await this.#converse(first);
    } catch (error) {
      this.#failWith(error);
    }
    listenNoMore();
    await Promise.all(this.#keeping);
    await this.#supply.close();
    this.#pace[Symbol.dispose]();
    if (this.#bug !== undefined) throw this.#bug;
    const reason =
      this.#failure ??
      new FilerError('verification-failed', 'the receiver gave no receipt for it: send it again');
    for (const entry of [...this.#unsettled.keys()]) this.#settleFailed(entry, reason);
    const outcome = this.#tally.outcome(this.#failure);
    return { ...outcome, job: this.#job, bytesSent: this.#bytesSent, bytesTotal: this.#supply.bytes };
  }

  async #converse(first: readonly Source[]): Promise<void> {
    this.#expect(0, first);
    const over = this.#listen();
    over.catch(() => undefined); // awaited at the end; until then requests and sends tell of a loss
    if (!(await this.#offer(first))) return;
    const inFlight: Batch[] = [];
    let batch = first;
    for (let entry = 0; batch.length > 0 || inFlight.length > 0;) {
      // What is wanted goes out before the walk goes on.
      while (batch.length > 0 && inFlight.length < MAX_BATCHES_IN_FLIGHT && inFlight[0]?.answered !== true) {
        inFlight.push(this.#announce(entry, batch));
        entry += batch.length;
        batch = await this.#supply.next(MAX_ENTRIES_PER_BATCH);
        this.#expect(entry, batch);
      }
      await this.#tellUnsent();
      for (const file of (await inFlight.shift()?.wanted) ?? []) await this.#sendFile(file);
    }
    await this.#tellUnsent();
    this.#outgoing.flush();
    this.#saidDone = true;
    await send(this.#channel, formatTransferWord('done'));
    await over;
  }

  #expect(first: number, sources: readonly Source[]): void {
    sources.forEach((source, n) => this.#unsettled.set(first + n, { entry: first + n, source }));
  }

  /** Tells who fetches what of it cannot go. */
  async #tellUnsent(): Promise<void> {
    for (const each of this.#unsent.splice(0)) await send(this.#channel, formatUnsent(each));
  }

  /** @returns whether the offer was taken */
  async #offer(first: readonly Source[]): Promise<boolean> {
    const names = first.filter(({ inTree }) => !inTree).map(({ name }) => name);
    const { isCounted, files, bytes } = this.#supply;
    const totals = { complete: isCounted, files, bytes };
    const { note = '', onConflict, checksum } = this.#options;
    const offer = { job: this.#job, ...totals, names, note, onConflict, checksum };
    try {
      this.#outgoing.packsSmall = takesSmall(await this.#propose(offer));
      await this.#pace.work(Promise.resolve(this.#options.accepted?.()));
      if (this.#failure !== undefined) throw this.#failure;
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#failure ??= error;
      return false;
    }
  }

  /** Offers; a receiver that wants to know first how much there is, is told. @throws FilerError the refusal */
  async #propose(offer: Offer): Promise<Message> {
    try {
      return await this.#requests.ask((id) => formatOffer(offer, id));
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'totals-needed' || offer.complete) throw error;
      const { files, ignored } = this.#options;
      const counting = countAll(files, ignored, () => this.#failure !== undefined);
      const totals = await this.#pace.work(Promise.race([counting, this.#over.promise]));
      return await this.#requests.ask((id) => formatOffer({ ...offer, ...totals, complete: true }, id));
    }
  }

  #announce(first: number, sources: readonly Source[]): Batch {
    const batch: Batch = { wanted: this.#ask(first, sources), answered: false };
    batch.wanted.then(
      () => (batch.answered = true),
      () => undefined, // awaited in its turn
    );
    return batch;
  }

  /** Announces one batch. @returns the files of it that the receiver wants */
  async #ask(first: number, batch: readonly Source[]): Promise<SentFile[]> {
    const entries = batch.map((source, index) => {
      const { kind, name, size, mtimeNs, mode, target, growing } = source;
      const digest = this.#digestKnown(this.#unsettled.get(first + index));
      return {
        path: name,
        kind,
        size,
        mtimeNs,
        mode,
        ...(target === undefined ? {} : { target }),
        ...(digest === undefined ? {} : { digest }),
        ...(growing === undefined ? {} : { growing: true }),
      };
    });
    const last = this.#supply.complete;
    const answer = await this.#requests.ask((id) => formatEntries({ id, first, last, entries }));
    const { answers } = parseEntriesAnswer(answer);
    if (answers.length !== batch.length) {
      throw new FilerError('message-malformed', `${answers.length} answers came to ${batch.length} entries`);
    }
    return answers.flatMap((each, index) => this.#takeAnswer(first + index, each));
  }

  get #remembered(): KnownDigests | undefined {
    return this.#options.checksum === true ? undefined : this.#options.known;
  }

  /** Notes what is remembered of a file, to hold the receiver's word against it. */
  #digestKnown(file: SentFile | undefined): string | undefined {
    if (file?.source.kind !== 'file' || file.source.growing !== undefined) return undefined;
    const { size, identity } = file.source;
    const known = size === 0 ? EMPTY_DIGESTS : this.#remembered?.find(identity);
    if (known === undefined) return undefined;
    file.there = { size, digest: known.digest, blocks: known.blocks };
    return known.digest;
  }

  #takeAnswer(entry: number, answer: EntryAnswer): SentFile[] {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return [];
    switch (answer.answer) {
      case 'refused':
        this.#settleFailed(entry, answer);
        return [];
      case 'made':
        if (file.source.kind === 'file') throw outOfPlace('an answer that a file was made');
        this.#settleUnsent(file, { status: 'delivered', path: answer.path });
        return [];
      case 'have':
        this.#takeHave(file, answer);
        return [];
      case 'unwanted':
        this.#unsettled.delete(entry);
        return [];
      case 'check':
      case 'resume':
      case 'want':
        if (file.source.kind !== 'file') throw outOfPlace(`wanting a ${file.source.kind}`);
        file.there = undefined; // until it says which one it is
        file.hasBasis = answer.answer !== 'want' && answer.bytes > 0;
        if (answer.answer === 'check') file.files = answer.files;
        return [file];
    }
  }

  #takeHave(file: SentFile, { path, receipt }: EntryAnswer & { readonly answer: 'have' }): void {
    const { source, there } = file;
    if (source.kind !== 'file') {
      this.#settleUnsent(file, { status: 'skipped', path });
    } else if (receipt === true) {
      if (there === undefined) throw outOfPlace('having a file whose content was not named');
      // Settled by its receipt.
    } else {
      const { onConflict } = this.#options;
      if (onConflict !== 'skip' && onConflict !== 'newer')
        throw outOfPlace('having a file without a receipt');
      this.#settleUnsent(file, { status: 'skipped', kept: true, path });
    }
  }

  /** It is there without a stream. Folders are no files: only their failures are told. */
  #settleUnsent(sent: SentFile, how: Pick<FileResult, 'status' | 'kept' | 'path'>): void {
    const { kind, name, size } = sent.source;
    if (kind === 'dir') this.#unsettled.delete(sent.entry);
    else this.#settle(sent, { name, size, ...how });
  }

  /** The last word about one file. */
  #settle(sent: SentFile, result: FileResult): void {
    this.#unsettled.delete(sent.entry);
    const isThere = result.status !== 'failed';
    this.#count(sent, isThere ? sent.source.size : 0);
    if (sent.source.kind !== 'dir') this.#filesDone++;
    this.#result(sent.source.file, result);
    if (isThere) this.#progress(sent, sent.source.size, sent.source.size);
  }

  async #sendFile(file: SentFile): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const isWhole = file.source.growing === undefined;
    if (isWhole && file.files !== undefined && (await this.#pace.work(this.#skip(file, file.files)))) return;
    const sentAt = Date.now();
    const failure = await this.#outgoing.send(file);
    if (failure !== undefined) this.#settleFailed(file.entry, failure);
    const { end, identity } = file;
    if (end !== undefined && identity !== undefined) this.#options.known?.keepRead(identity, end, sentAt);
  }

  /** Compares a file with those of its size that the receiver has. @returns whether it is one of them */
  async #skip(file: SentFile, there: readonly PresentFile[]): Promise<boolean> {
    const { entry, source } = file;
    const list = new BlockList();
    const onBlock = file.hasBasis === true ? (block: Buffer): void => list.add(block) : undefined;
    let read: ReadFile | undefined;
    try {
      const { known } = this.#options;
      read = await atSource(source, (path) => readDigests(path, openFlags(source), known, { onBlock }));
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return false; // sending it finds out and says
    }
    if (read === undefined) return false;
    const { identity, size, digest, blocks } = read;
    if (!there.some(({ seal }) => seal === sealOf(digest))) {
      // What of it differs is found without digesting all of it once more.
      if (file.hasBasis === true) file.listed = { identity, digest, blocks, list };
      return false;
    }
    file.there = { size, digest, blocks }; // settled by its receipt
    await send(this.#channel, formatSkip({ entry, digest }));
    return true;
  }

  started({ entry, source: { name, size } }: SentFile): void {
    this.#emit({ type: 'started', entry, name, size });
  }

  async reach(file: SentFile, bytes: number): Promise<Extent> {
    const { growing, size } = file.source;
    if (growing === undefined) return { bytes: size, complete: true };
    const known = file.extent ?? { bytes: size, complete: false };
    file.extent = await this.#pace.work(Promise.race([growing.reach(bytes), this.#over.promise]));
    this.#supply.grown(file.extent.bytes - known.bytes, file.extent.complete && !known.complete);
    return file.extent;
  }

  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean {
    this.#pace.grown();
    this.#bytesSent += bytes;
    const isWanted = this.#unsettled.has(file.entry) && file.again !== true;
    if (isWanted) this.#count(file, fileBytes);
    this.#progress(file, fileBytes, fileSize);
    return isWanted;
  }

  /** So much of a file is done now. */
  #count(file: SentFile, bytes: number): void {
    this.#bytesDone += bytes - (file.done ?? 0);
    file.done = bytes;
  }

  #progress({ entry, source: { name, file } }: SentFile, fileBytes: number, fileSize: number): void {
    const [bytesSent, bytesDone, filesDone] = [this.#bytesSent, this.#bytesDone, this.#filesDone];
    const { bytes: bytesTotal, files: filesTotal, isCounted: complete } = this.#supply;
    const done = { bytesSent, bytesDone, bytesTotal, filesDone, filesTotal, complete };
    this.#emit({ type: 'progress', entry, name, file, fileBytes, fileSize, ...done });
  }

  async basis(entry: number, first: number, count: number): Promise<Buffer> {
    const answer = await this.#requests.ask((id) => formatBasisRequest({ id, entry, first, count }));
    return parseBasisAnswer(answer, count);
  }

  /** Takes what the receiver says until its `done`. @throws FilerError what ends the transfer early */
  async #listen(): Promise<void> {
    try {
      for await (const message of this.#channel) {
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
        this.#pace.grown();
        return;
      case 'answer':
      case 'entries-answer':
      case 'basis-answer':
        this.#requests.answered(message);
        this.#pace.grown();
        return;
      case 'got':
        if (this.#lead.got(parseGot(message))) this.#pace.grown();
        return;
      case 'failed':
        this.#takeFailure(parseEntryFailure(message));
        return;
      case 'receipts':
        await this.#takeReceipts(parseReceipts(message));
        return;
      case 'working':
        this.#takeWorking(header);
        return;
      case 'done':
        if (!this.#saidDone) throw outOfPlace('done');
        return;
      default:
        await takeStranger(this.#channel, header);
    }
  }

  /** A person may think for as long as it takes; a machine that works says so for an hour at most. */
  #takeWorking(header: Header): void {
    if (!isAsking(header) || this.#isAnswered) return this.#pace.toldWorking();
    this.#pace.grown();
    this.#emit({ type: 'waiting' });
  }

  #takeFailure(failure: EntryFailure): void {
    const file = this.#unsettled.get(failure.entry);
    if (file === undefined || file.isProved === true) return;
    this.#pace.grown();
    if (failure.again === true && file.hasBasis === true && file.end === undefined) file.again = true;
    else this.#settleFailed(failure.entry, failure);
  }

  async #takeReceipts(batch: ReceiptBatch): Promise<void> {
    const { network, senderId: sender, receiverId: receiver } = this.#options;
    checkReceipts(batch, { network, sender, receiver, job: this.#job }, this.#unsettled);
    for (const { entry } of batch.files) {
      const sent = this.#unsettled.get(entry);
      if (sent !== undefined) sent.isProved = true;
    }
    // The next ones are read while these go to the disk, so that many go there together.
    const keeping = this.#keep(batch);
    this.#keeping.add(keeping);
    void keeping.then(() => this.#keeping.delete(keeping));
    if (this.#keeping.size >= MAX_KEEPING) await Promise.race(this.#keeping);
  }

  /** Keeps receipts; only then their files count. Never rejects. */
  async #keep(batch: ReceiptBatch): Promise<void> {
    const fileOf = (entry: number): string => this.#unsettled.get(entry)?.source.file ?? '';
    try {
      await this.#pace.work(Promise.resolve(this.#options.keep?.(batch, fileOf)));
    } catch (error) {
      this.#failWith(error);
      return;
    }
    for (const { entry, name, size, path, digest, present } of batch.files) {
      const sent = this.#unsettled.get(entry);
      const status = present === true ? 'skipped' : 'delivered';
      if (sent !== undefined) this.#settle(sent, { name, size, status, path, digest });
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
    this.#stop.abort();
    this.#channel.reject(error);
    this.#requests.fail(error);
    this.#over.reject(error);
    this.#lead.fail(error);
  }

  #settleFailed(entry: number, { code, message }: Omit<EntryFailure, 'entry'>): void {
    const file = this.#unsettled.get(entry);
    if (file === undefined) return;
    const { name, size } = file.source;
    this.#settle(file, { name, size, status: 'failed', code, message });
  }

  #result(file: string, result: FileResult): void {
    this.#tally.add(result);
    this.#emit({ type: 'file', file, result });
  }

  #emit(event: SendEvent): void {
    this.#options.on?.(event);
  }
}

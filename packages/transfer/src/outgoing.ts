import {
  chunkHeader,
  DIGEST_BLOCK_BYTES,
  FilerError,
  formatEnd,
  STREAM_OVERHEAD_BYTES,
  formatAbandon,
  formatFile,
  formatGrow,
  smallHeader,
  type EntryFailure,
  type ErrorCode,
  type FileEnd,
  type FileStart,
  type Header,
  type Message,
  type PresentFile,
} from '@filer/protocol';
import { send, type Channel } from './channel.ts';
import { bugOf } from './ending.ts';
import type { Extent } from './growing.ts';
import type { SendWindow } from './send-window.ts';
import { PackedMessages } from './packed-messages.ts';
import { ChunkSender, readerOf, type AskBasis, type OnSent, type Size } from './chunk-sender.ts';
import type { RateLimit } from './rate-limit.ts';
import type { SharedReads } from './shared-reads.ts';
import type { ListedFile } from './reader.ts';
import { readSmallFile, SMALL_FILE_BYTES, type SmallFile } from './small-file.ts';
import { OpenSource, type Source } from './source.ts';
import { unsized } from './unsized.ts';

/** What may be on its way of small files before the next one is read. */
const MAX_SMALL_BYTES = 512 * 1024;

/** Small files up to this size leave many in one write. */
const PACKED_FILE_BYTES = 32 * 1024;

/** A source that changes while it is sent is sent so many times. */
const MAX_TRIES = 2;

/** A file on its way, for its sender. */
export interface SentFile {
  readonly entry: number;
  readonly source: Source;
  /** Whether the receiver has something to compare it with. */
  hasBasis?: boolean;
  /** Whether the receiver lost some of it, and takes the file once more. */
  again?: boolean;
  /** How often it did. */
  timesAgain?: number;
  /** What the receiver said last against it. */
  refusal?: Pick<EntryFailure, 'code' | 'message' | 'bytes'>;
  /** Files of the receiver that it may be. */
  files?: readonly PresentFile[];
  /** What it was when it was compared with what the receiver has, and was none of it. */
  listed?: ListedFile;
  /** What the file was like when it went. @see identityOf */
  identity?: string;
  /** What was said when it had gone whole. */
  end?: FileEnd;
  /** How much there was of it when it was looked at last, while it is being written. */
  extent?: Extent;
  /** Bytes of it that count as done. */
  done?: number;
  /** Whether its receipt came, which is being kept. */
  isProved?: boolean;
  /** Whether the receiver said what it wants of it. */
  isAnswered?: boolean;
  /** What is remembered of it, as it was announced. */
  known?: Omit<FileEnd, 'entry'>;
  /** What the receiver's file must be, once one side said that the receiver has it already. */
  there?: Omit<FileEnd, 'entry'>;
}

export interface OutgoingOptions {
  /** Reads the files, for all recipients of a job together. @default for this recipient alone */
  readonly reads?: SharedReads | undefined;
  /** How fast contents go; shared by all that keep to it together. @default as fast as can be */
  readonly limit?: RateLimit | undefined;
  /**
   * Whether a file that is written to meanwhile goes up to the size that it had when it was found, as a log does that
   * grows all the time.
   *
   * @default false: it goes again, and fails when it changes again
   */
  readonly snapshot?: boolean | undefined;
}

/** Who follows the files that go out. */
export interface OutgoingOwner {
  started(file: SentFile): void;
  /** More of a file went to the operating system. @returns whether the file is still wanted */
  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean;
  /** Waits until a file that is being written has so many bytes, or is complete. @see Growing */
  reach(file: SentFile, bytes: number): Promise<Extent>;
  /** Asks for what the receiver has of the file that is on its way. @see AskBasis */
  basis(entry: number, first: number, count: number): Promise<Buffer>;
}

/** Turns files into `file`, `chunk`… and `end`, one after the other. */
export class Outgoing {
  readonly #channel: Channel;
  readonly #owner: OutgoingOwner;
  readonly #sendWindow: SendWindow;
  readonly #reads: SharedReads | undefined;
  readonly #limit: RateLimit | undefined;
  readonly #snapshot: boolean;
  readonly #stop: AbortSignal;
  readonly #chunkSender: ChunkSender;
  /** Small files on their way, oldest first. They never reject: `#lost` tells. */
  readonly #small: Promise<void>[] = [];
  #smallBytes = 0;
  /** Whether the receiver takes a small file as one message. */
  packsSmall = false;
  #lost: Error | undefined;
  readonly #packed: PackedMessages | undefined;
  /** The files in it. */
  #packedFiles: SentFile[] = [];
  /** What a file that is packed is read into. */
  #room: Buffer | undefined;

  /** @param stop ends the waiting for what the limit lets go */
  constructor(
    channel: Channel,
    lead: SendWindow,
    owner: OutgoingOwner,
    { limit, reads, snapshot = false }: OutgoingOptions,
    stop: AbortSignal,
  ) {
    this.#reads = reads;
    this.#snapshot = snapshot;
    this.#channel = channel;
    this.#owner = owner;
    this.#sendWindow = lead;
    this.#limit = limit;
    this.#stop = stop;
    this.#packed = PackedMessages.on(channel);
    this.#chunkSender = new ChunkSender(channel, lead, limit, stop);
  }

  /**
   * Sends one file, again if it changed meanwhile.
   *
   * @returns why this file, and no other, did not go; undefined when it went
   * @throws FilerError what ends the transfer
   */
  async send(file: SentFile): Promise<FilerError | undefined> {
    const { entry, source } = file;
    this.#owner.started(file);
    const smallBytes = Math.min(SMALL_FILE_BYTES, this.#limit?.pieceBytes ?? SMALL_FILE_BYTES);
    const isSmall = source.size <= smallBytes && file.hasBasis !== true && source.growing === undefined;
    const small = isSmall ? this.#readSmall(source) : undefined;
    if (small !== undefined) {
      await this.#sendSmall(file, small);
      return undefined;
    }
    this.flush();
    const what = JSON.stringify(source.name.toWellFormed());
    const changed = new FilerError(
      'source-changed',
      `${what} changed each time while it was being sent: try again, or let its owner send what there is with --snapshot`,
    );
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        const went = await this.#once(file);
        if (went === 'whole') return undefined;
        // Of one that is no longer wanted the receiver has said why.
        const reason = (went === 'unwanted' ? file.refusal : undefined) ?? {
          code: changed.code,
          message: 'the file changed while it was being sent',
        };
        const isAgain = file.again === true;
        file.again = false;
        // What came of a file that changed is there to be compared; the second reading alone makes its digests.
        const bytesThere = went === 'changed' ? source.size - DIGEST_BLOCK_BYTES : (file.refusal?.bytes ?? 0);
        file.hasBasis = bytesThere > 0;
        await this.#abandon(entry, reason.code, reason.message);
        if (went === 'changed') continue;
        if (!isAgain) return undefined;
        tries--;
      } catch (error) {
        if (!(error instanceof FilerError) || !SOURCE_CODES.has(error.code)) throw error;
        await this.#abandon(entry, error.code, error.message);
        return error;
      }
    }
    return changed;
  }

  #readSmall(source: Source): SmallFile | undefined {
    if (this.#reads !== undefined) return this.#reads.small(source);
    if (!this.#isPacked(source.size)) return readSmallFile(source);
    this.#room ??= Buffer.allocUnsafeSlow(PACKED_FILE_BYTES);
    return readSmallFile(source, this.#room);
  }

  /** Small files leave back to back, many in one write: none waits until the one before it has gone. */
  async #sendSmall(file: SentFile, small: SmallFile): Promise<void> {
    const { entry } = file;
    const { size, mtimeNs, mode, identity, digest, blocks, content } = small;
    file.identity = identity;
    file.end = { entry, size, digest, blocks };
    this.#sendWindow.begin(entry);
    await this.#sendWindow.reserve(size);
    await this.#limit?.take(size, this.#stop);
    const facts = { entry, size, mtimeNs, mode };
    if (this.#isPacked(size)) {
      this.#pack(file, smallHeader({ ...facts, digest, blocks }), content);
    } else {
      this.flush();
      const gone = this.packsSmall
        ? this.#channel.send(smallHeader({ ...facts, digest, blocks }), content)
        : this.#sendUnpacked(facts, content, file.end);
      this.#follow(gone, [file]);
    }
    while (this.#smallBytes > MAX_SMALL_BYTES && this.#lost === undefined) await this.#small.shift();
    if (this.#lost !== undefined) throw this.#lost;
  }

  #isPacked(size: number): boolean {
    return this.packsSmall && this.#packed !== undefined && size <= PACKED_FILE_BYTES;
  }

  /** What is packed leaves when there is no room for more, or when nothing more comes in this turn. */
  #pack(file: SentFile, header: Header, content: Buffer): void {
    if (this.#packed?.add(header, content) === false) {
      this.flush();
      this.#packed.add(header, content);
    }
    this.#packedFiles.push(file);
    if (this.#packedFiles.length === 1) process.nextTick(() => this.flush());
  }

  /** Sends the small files that wait for others. They go before whatever is sent from now on. */
  flush(): void {
    if (this.#packed === undefined || this.#packedFiles.length === 0) return;
    this.#follow(this.#packed.send(), this.#packedFiles);
    this.#packedFiles = [];
  }

  /** @param files that are on their way together */
  #follow(gone: Promise<void>, files: readonly SentFile[]): void {
    const bytes = files.reduce((sum, { end }) => sum + (end?.size ?? 0) + STREAM_OVERHEAD_BYTES, 0);
    this.#smallBytes += bytes;
    this.#small.push(
      gone.then(
        () => {
          this.#smallBytes -= bytes;
          for (const file of files) {
            const size = file.end?.size ?? 0;
            if (size > 0) this.#owner.sent(file, size, size, size);
          }
        },
        (error: unknown) => void (this.#lost ??= bugOf(error)),
      ),
    );
  }

  /** For receivers that know no other way. */
  async #sendUnpacked(start: FileStart, content: Buffer, end: FileEnd): Promise<void> {
    const going = [this.#say(formatFile(start))];
    if (start.size > 0)
      going.push(
        this.#channel.send(chunkHeader({ entry: start.entry, offset: 0, block: end.digest }), content),
      );
    going.push(this.#say(formatEnd(end)));
    await Promise.all(going);
  }

  async #once(file: SentFile): Promise<'whole' | 'changed' | 'unwanted'> {
    const { entry, source } = file;
    await using opened = await OpenSource.open(source);
    const { mtimeNs, mode, identity } = opened.facts;
    const growing = source.growing !== undefined;
    if (!growing) file.identity = identity;
    const isSnapshot = this.#snapshot && !growing && source.fixed !== true;
    const sizeNow = isSnapshot ? Math.min(source.size, opened.facts.size) : opened.facts.size;
    let announced = growing ? (await this.#owner.reach(file, 0)).bytes : sizeNow;
    await this.#say(formatFile({ entry, size: announced, mtimeNs, mode, growing }));
    this.#sendWindow.begin(entry);
    const size: Size = {
      most: growing ? Infinity : announced,
      reach: async (bytes) => {
        if (!growing || bytes <= announced) return announced;
        const extent = await this.#owner.reach(file, bytes);
        if (extent.bytes > announced) {
          announced = extent.bytes;
          await this.#say(formatGrow({ entry, size: announced }));
        }
        return announced;
      },
    };
    let wanted = true;
    const onSent: OnSent = (bytes, position) => {
      wanted = this.#owner.sent(file, bytes, position, announced);
      return wanted;
    };
    const ask: AskBasis = (first, count) => this.#owner.basis(entry, first, count);
    const listed = file.listed?.identity === identity ? file.listed : undefined;
    using shared =
      growing || listed !== undefined
        ? undefined
        : this.#reads?.reader(`${identity}:${announced}`, announced, readerOf(opened));
    const toSend = { opened, shared, listed };
    const askBasis = file.hasBasis === true && announced > 0 ? ask : undefined;
    const digests = await this.#chunkSender.run(entry, toSend, size, askBasis, onSent);
    // Until then the receiver may find that a block of its basis is not what it was.
    const isTold = file.hasBasis === true && announced > DIGEST_BLOCK_BYTES;
    if (isTold && digests !== undefined) await this.#sendWindow.taken(announced);
    if (!wanted || file.again === true) return 'unwanted';
    const endsAtSize = growing || isSnapshot || (digests !== undefined && opened.endsAtSize);
    const hasChanged = await opened.changed();
    // The beginning of what has grown is still all there.
    const isLost = digests === undefined ? hasChanged || listed !== undefined : hasChanged && !isSnapshot;
    if (isLost) {
      delete file.listed;
      return 'changed';
    }
    if (digests === undefined || !endsAtSize) throw unsized(file.source.file);
    if (hasChanged || announced < opened.facts.size) delete file.identity; // that is another file by now
    // Noted before it is said: the receipt may come before `send` resolves.
    file.end = { entry, size: announced, ...digests };
    await this.#say(formatEnd(file.end));
    return 'whole';
  }

  #abandon(entry: number, code: ErrorCode, message: string): Promise<void> {
    return this.#say(formatAbandon({ entry, code, message }));
  }

  #say(message: Message): Promise<void> {
    return send(this.#channel, message);
  }
}

/** What concerns one source alone. */
const SOURCE_CODES: ReadonlySet<ErrorCode> = new Set([
  'path-missing',
  'path-unreadable',
  'path-unsupported',
  'source-changed',
]);

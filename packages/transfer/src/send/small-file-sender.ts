import {
  chunkHeader,
  STREAM_OVERHEAD_BYTES,
  formatEnd,
  formatFile,
  relayedFileMessage,
  smallHeader,
  type FileEnd,
  type FileStart,
  type Header,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { bugOf } from '../wire/early-end.ts';
import { PackedMessages } from '../wire/packed-messages.ts';
import type { Limit } from '../wire/rate-limit.ts';
import type { RelayLane } from '../passing/relay-lane.ts';
import { readSourceBlock } from '../passing/source-block.ts';
import type { SendWindow } from './send-window.ts';
import type { OutgoingOwner, OutgoingParts, SentFile } from './sent-file.ts';
import type { SharedReads } from './shared-reads.ts';
import { readSmallFile, SMALL_FILE_BYTES, type SmallFile } from './small-file.ts';
import type { Source } from './source.ts';

/** What may be on its way of small files before the next one is read. */
const MAX_SMALL_BYTES = 512 * 1024;

/** What is smaller costs less to send than to leave to another recipient. */
const LEAST_LEFT_BYTES = 1024;

/** Small files up to this size leave many in one write. */
const PACKED_FILE_BYTES = 32 * 1024;

/** Sends small files back to back, many in one write: none waits until the one before it has gone. */
export class SmallFileSender {
  readonly #channel: Channel;
  readonly #owner: Pick<OutgoingOwner, 'sent'>;
  readonly #sendWindow: SendWindow;
  readonly #reads: SharedReads | undefined;
  readonly #limit: Limit | undefined;
  readonly #stop: AbortSignal;
  readonly #lane: RelayLane | undefined;
  readonly #packsSmall: boolean;
  /** Files on their way, oldest first. They never reject: `#lost` tells. */
  readonly #small: Promise<void>[] = [];
  #smallBytes = 0;
  #lost: Error | undefined;
  readonly #packed: PackedMessages | undefined;
  /** The files in it. */
  #packedFiles: SentFile[] = [];
  /** What a file that is packed is read into. */
  #room: Buffer | undefined;

  constructor(parts: OutgoingParts) {
    this.#channel = parts.channel;
    this.#sendWindow = parts.sendWindow;
    this.#owner = parts.owner;
    this.#reads = parts.reads;
    this.#limit = parts.limit;
    this.#stop = parts.stop;
    this.#lane = parts.lane;
    this.#packsSmall = parts.taken.small;
    this.#packed = PackedMessages.on(parts.channel);
  }

  /**
   * Sends a file that is small, and stays what it is while it is read.
   *
   * @returns whether it is such a file: otherwise it goes as a stream
   */
  async send(file: SentFile): Promise<boolean> {
    const { source, hasBasis } = file;
    const most = Math.min(SMALL_FILE_BYTES, this.#limit?.pieceBytes ?? SMALL_FILE_BYTES);
    if (source.size > most || hasBasis === true || source.growing !== undefined) return false;
    const small = this.#readSmall(source);
    if (small === undefined) return false;
    await this.#send(file, small);
    return true;
  }

  #readSmall(source: Source): SmallFile | undefined {
    if (this.#reads !== undefined) return this.#reads.small(source);
    if (!this.#isPacked(source.size)) return readSmallFile(source);
    this.#room ??= Buffer.allocUnsafeSlow(PACKED_FILE_BYTES);
    return readSmallFile(source, this.#room);
  }

  async #send(file: SentFile, small: SmallFile): Promise<void> {
    const { entry } = file;
    const { size, mtimeNs, mode, identity, digest, blocks, content } = small;
    file.identity = identity;
    file.end = { entry, size, digest, blocks };
    this.#sendWindow.begin(entry);
    await this.#sendWindow.reserve(size);
    const facts = { entry, size, mtimeNs, mode };
    if (await this.#leaveToOthers(file, facts, small)) return;
    await this.#limit?.take(size, this.#stop);
    if (this.#isPacked(size)) {
      this.#pack(file, smallHeader({ ...facts, digest, blocks }), content);
    } else {
      this.flush();
      const gone = this.#packsSmall
        ? this.#channel.send(smallHeader({ ...facts, digest, blocks }), content)
        : this.#sendUnpacked(facts, content, file.end);
      this.#follow(gone, [file]);
    }
    while (this.#smallBytes > MAX_SMALL_BYTES && this.#lost === undefined) await this.#small.shift();
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** @returns whether another recipient was named for its content */
  async #leaveToOthers(file: SentFile, facts: FileStart, { digest, blocks }: SmallFile): Promise<boolean> {
    const lane = this.#lane;
    const { entry, size } = facts;
    if (lane === undefined || !this.#packsSmall || size < LEAST_LEFT_BYTES) return false;
    const from = await lane.holderOf(entry, size, digest);
    const { source } = file;
    const read = (): Buffer => readSourceBlock(source, 0, size, digest);
    lane.sent({ entry, end: size, bytes: size, digest, from, read });
    if (from === undefined) return false;
    this.flush();
    this.#follow(
      send(this.#channel, relayedFileMessage.format({ ...facts, digest, blocks, from })),
      [file],
      0,
    );
    return true;
  }

  #isPacked(size: number): boolean {
    return this.#packsSmall && this.#packed !== undefined && size <= PACKED_FILE_BYTES;
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

  /**
   * @param files that are on their way together
   * @param sentBytes content that went from here @default all of it
   */
  #follow(gone: Promise<void>, files: readonly SentFile[], sentBytes?: number): void {
    const bytes = files.reduce((sum, { end }) => sum + (end?.size ?? 0) + STREAM_OVERHEAD_BYTES, 0);
    this.#smallBytes += bytes;
    this.#small.push(
      gone.then(
        () => {
          this.#smallBytes -= bytes;
          for (const file of files) {
            const size = file.end?.size ?? 0;
            if (size > 0) this.#owner.sent(file, sentBytes ?? size, size, size);
          }
        },
        (error: unknown) => void (this.#lost ??= bugOf(error)),
      ),
    );
  }

  /** For receivers that know no other way. */
  async #sendUnpacked(start: FileStart, content: Buffer, end: FileEnd): Promise<void> {
    const going = [send(this.#channel, formatFile(start))];
    if (start.size > 0)
      going.push(
        this.#channel.send(chunkHeader({ entry: start.entry, offset: 0, block: end.digest }), content),
      );
    going.push(send(this.#channel, formatEnd(end)));
    await Promise.all(going);
  }
}

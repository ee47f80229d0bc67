import { DIGEST_BLOCK_BYTES, formatEnd, formatFile, formatGrow, type Digests } from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { readerOf, type ChunkSender, type Size } from './chunk-sender.ts';
import type { AskBasis } from './receiver-basis.ts';
import type { SendWindow } from './send-window.ts';
import type { OutgoingOptions, OutgoingOwner, SentFile } from './sent-file.ts';
import { OpenSource } from './source.ts';
import { unsized } from './unsized.ts';

/**
 * How a stream ended. `changed`: the file was written to meanwhile. `refused`: the receiver does not take it, or wants
 * it once more.
 */
export type StreamEnd = 'whole' | 'changed' | 'refused';

/** What sends the streams of one transfer. */
export interface StreamParts extends Pick<OutgoingOptions, 'reads' | 'snapshot'> {
  readonly channel: Channel;
  readonly sendWindow: SendWindow;
  readonly chunkSender: ChunkSender;
  readonly owner: OutgoingOwner;
}

/**
 * Sends a file as one stream: `file`, `chunk`…, and `end` if it came to its end.
 *
 * @throws FilerError why the file cannot be read, or the transfer has ended
 */
export async function sendStream(file: SentFile, parts: StreamParts): Promise<StreamEnd> {
  await using opened = await OpenSource.open(file.source);
  return await new OutgoingStream(file, opened, parts).send();
}

class OutgoingStream {
  readonly #file: SentFile;
  readonly #opened: OpenSource;
  readonly #parts: StreamParts;
  readonly #isGrowing: boolean;
  /** Whether it goes up to the size that it had when it was found, whatever is written meanwhile. */
  readonly #isSnapshot: boolean;
  /** Size as the receiver knows it. */
  #announced = 0;
  #isWanted = true;

  constructor(file: SentFile, opened: OpenSource, parts: StreamParts) {
    const { source } = file;
    this.#file = file;
    this.#opened = opened;
    this.#parts = parts;
    this.#isGrowing = source.growing !== undefined;
    this.#isSnapshot = parts.snapshot === true && !this.#isGrowing && source.fixed !== true;
  }

  async send(): Promise<StreamEnd> {
    await this.#begin();
    const digests = await this.#sendBlocks();
    if (digests !== undefined) await this.#awaitVerdict();
    if (!this.#isWanted || this.#file.again === true) return 'refused';
    // Looked at first: what is written after that is a change.
    const endsAtSize = digests !== undefined && this.#endsAtSize;
    if (await this.#isLost(digests)) {
      delete this.#file.listed;
      return 'changed';
    }
    if (digests === undefined || !endsAtSize) throw unsized(this.#file.source.file);
    await this.#end(digests);
    return 'whole';
  }

  async #begin(): Promise<void> {
    const { entry, source } = this.#file;
    const { size, mtimeNs, mode, identity } = this.#opened.facts;
    if (!this.#isGrowing) this.#file.identity = identity;
    const sizeNow = this.#isSnapshot ? Math.min(source.size, size) : size;
    this.#announced = this.#isGrowing ? (await this.#parts.owner.reach(this.#file, 0)).bytes : sizeNow;
    const start = { entry, size: this.#announced, mtimeNs, mode, growing: this.#isGrowing };
    await send(this.#parts.channel, formatFile(start));
    this.#parts.sendWindow.begin(entry);
  }

  /** @returns undefined when it was stopped, or the file ended before its size */
  async #sendBlocks(): Promise<Digests | undefined> {
    const file = this.#file;
    const { chunkSender, owner, reads } = this.#parts;
    const { identity } = this.#opened.facts;
    const listed = file.listed?.identity === identity ? file.listed : undefined;
    const isShared = !this.#isGrowing && listed === undefined;
    using shared = isShared
      ? reads?.reader(`${identity}:${this.#announced}`, this.#announced, readerOf(this.#opened))
      : undefined;
    const toSend = { opened: this.#opened, shared, listed };
    const askBasis: AskBasis = (first, count, sums) => owner.basis(file.entry, first, count, sums);
    return await chunkSender.run(
      file.entry,
      toSend,
      this.#size,
      file.hasBasis === true && this.#announced > 0 ? askBasis : undefined,
      (bytes, position) => {
        this.#isWanted = owner.sent(file, bytes, position, this.#announced);
        return this.#isWanted;
      },
    );
  }

  get #size(): Size {
    if (!this.#isGrowing) return { most: this.#announced, reach: () => Promise.resolve(this.#announced) };
    return { most: Infinity, reach: (bytes) => this.#reach(bytes) };
  }

  /** Waits until so much of a file that grows is there, and announces it. */
  async #reach(bytes: number): Promise<number> {
    if (bytes <= this.#announced) return this.#announced;
    const extent = await this.#parts.owner.reach(this.#file, bytes);
    if (extent.bytes > this.#announced) {
      this.#announced = extent.bytes;
      await send(this.#parts.channel, formatGrow({ entry: this.#file.entry, size: this.#announced }));
    }
    return this.#announced;
  }

  /** Until all is taken the receiver may find that a block of its basis is not what it was. */
  async #awaitVerdict(): Promise<void> {
    const isCompared = this.#file.hasBasis === true && this.#announced > DIGEST_BLOCK_BYTES;
    if (isCompared) await this.#parts.sendWindow.taken(this.#announced);
  }

  /** Whether what was sent is not the file. The beginning of a snapshot that has grown is still all there. */
  async #isLost(digests: Digests | undefined): Promise<boolean> {
    const hasChanged = await this.#opened.changed();
    if (hasChanged || this.#announced < this.#opened.facts.size) delete this.#file.identity; // another file by now
    if (digests === undefined) return hasChanged || this.#file.listed !== undefined;
    return hasChanged && !this.#isSnapshot;
  }

  get #endsAtSize(): boolean {
    return this.#isGrowing || this.#isSnapshot || this.#opened.endsAtSize;
  }

  async #end(digests: Digests): Promise<void> {
    const file = this.#file;
    // Noted before it is said: the receipt may come before `send` resolves.
    file.end = { entry: file.entry, size: this.#announced, ...digests };
    await send(this.#parts.channel, formatEnd(file.end));
  }
}

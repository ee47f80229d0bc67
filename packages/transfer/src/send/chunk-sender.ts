import { readSync } from 'node:fs';
import {
  chunkHeader,
  DIGEST_BLOCK_BYTES,
  formatSame,
  relayedMessage,
  type Digests,
  type Same,
  zerosMessage,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { digestText } from '../digests/digests.ts';
import { ZERO_BLOCK_DIGEST } from '../digests/zero-block.ts';
import { ReceiverBasis, type AskBasis } from './receiver-basis.ts';
import type { SendWindow } from './send-window.ts';
import type { Limit } from '../wire/rate-limit.ts';
import { listedReader, ownReader, type ListedFile, type Piece, type Reader } from './reader.ts';
import { SendsInFlight, type OnSent } from './sends-in-flight.ts';
import type { ReadBlock } from './shared-reads.ts';
import { readSourceBlock } from '../passing/source-block.ts';
import type { RelayLane } from '../passing/relay-lane.ts';
import type { OutgoingParts } from './sent-file.ts';
import { sourceError, type OpenSource, type Source } from './source.ts';

/** One chunk: large enough that its header costs nothing, small enough to stay in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/** One is written while the next one waits: more would be copied together. */
const MAX_IN_FLIGHT = 2;

/** The size of the file that is sent, which may still grow. */
export interface Size {
  /** More it will not be; Infinity while that is not known. */
  readonly most: number;
  /** @param bytes waited for, unless the file ends before. @returns what may be sent by now */
  reach(bytes: number): Promise<number>;
}

/** A source that was opened, and who reads it if not this recipient's sender alone. */
export interface FileToSend {
  readonly opened: OpenSource;
  readonly shared: Reader | undefined;
  /** What it is, if it was read before and has not changed since. */
  readonly listed?: ListedFile | undefined;
}

interface Block {
  readonly entry: number;
  readonly source: Source;
  readonly offset: number;
  readonly bytes: number;
  /** Whether the file is: what grows is sent as it comes. */
  readonly isWhole: boolean;
}

/**
 * Sends files through a channel, block by block, through two buffers, whatever their size: one is filled while the other
 * is on its way. A buffer is used again only after its sends have resolved.
 */
export class ChunkSender {
  readonly #channel: Channel;
  readonly #sendWindow: SendWindow;
  readonly #limit: Limit | undefined;
  readonly #stop: AbortSignal;
  readonly #lane: RelayLane | undefined;
  readonly #sendsZeros: boolean;
  readonly #buffers: Buffer[] = [];

  constructor({ channel, sendWindow, limit, stop, lane, taken }: OutgoingParts) {
    this.#sendsZeros = taken.zeros;
    this.#channel = channel;
    this.#sendWindow = sendWindow;
    this.#limit = limit;
    this.#stop = stop;
    this.#lane = lane;
  }

  /**
   * Sends the blocks of one file, or those in which it differs from the basis that the receiver has.
   *
   * @param size what was announced; no byte beyond it is read
   * @param askBasis undefined when the receiver has nothing to compare
   * @param onSent called after each chunk was handed to the operating system
   * @returns the digests, or undefined when it was stopped or the file ended before `size`
   * @throws FilerError `path-unreadable`, or what the channel's `send` throws
   */
  async run(
    entry: number,
    { opened, shared, listed }: FileToSend,
    size: Size,
    askBasis: AskBasis | undefined,
    onSent: OnSent,
  ): Promise<Digests | undefined> {
    const read = readerOf(opened);
    // What is still being written goes as it comes, unless it is compared.
    const pieces = size.most === Infinity && askBasis === undefined ? 'any' : 'blocks';
    const reader = listed === undefined ? (shared ?? ownReader(read, pieces)) : listedReader(read, listed);
    const least = pieces === 'any' ? 1 : DIGEST_BLOCK_BYTES;
    const basis = askBasis === undefined ? undefined : new ReceiverBasis(askBasis, read, size.most);
    const inFlight = new SendsInFlight(onSent);
    // Zeros that somebody wrote are content.
    const sendsZeros = this.#sendsZeros && opened.isSparse;
    let turn = 0;
    try {
      for (let offset = 0, end = 0; ;) {
        if (offset + least > end) end = await size.reach(offset + least);
        if (offset >= end) break;
        const bytes = Math.min(DIGEST_BLOCK_BYTES - (offset % DIGEST_BLOCK_BYTES), end - offset);
        const there = await basis?.digestOf(offset / DIGEST_BLOCK_BYTES);
        await this.#sendWindow.reserve(offset + bytes);
        const block = { entry, source: opened.source, offset, bytes, isWhole: size.most !== Infinity };
        const mayLeave = there === undefined && basis?.isSeeking !== true;
        const listedDigest = mayLeave ? reader.digestAt?.(offset) : undefined;
        if (await this.#leaveToOthers(block, listedDigest, inFlight)) {
          if (!inFlight.isWanted) return undefined;
          offset += bytes;
          continue;
        }
        const buffer = this.#buffer(turn++);
        await inFlight.gone(buffer);
        const piece = reader.next(buffer, offset, bytes, there);
        if (piece === undefined) return undefined;
        const digest = piece.blockDigest();
        const place = digest === undefined ? undefined : await basis?.placeOf(offset, bytes, digest);
        try {
          const isZeros = sendsZeros && digest?.equals(ZERO_BLOCK_DIGEST) === true;
          const isLeft =
            place === undefined && !isZeros && (await this.#leaveToOthers(block, digest, inFlight));
          if (place !== undefined) await this.#sendSame({ entry, offset, bytes, ...place }, inFlight);
          else if (isZeros) await this.#sendZeros(entry, offset, inFlight);
          else if (!isLeft) await this.#sendChunks(entry, offset, piece, inFlight);
          if (!isLeft) this.#note(block, digest);
        } finally {
          inFlight.lastOf(buffer, () => piece.release());
        }
        if (!inFlight.isWanted) return undefined;
        offset += piece.bytes;
      }
      await inFlight.allGone();
      return inFlight.isWanted ? reader.digests() : undefined;
    } finally {
      // The buffers are free for the next file only now.
      await inFlight.settled();
    }
  }

  /** One of the two, made when it is needed: who leaves all to others needs none. */
  #buffer(turn: number): Buffer {
    const n = turn % 2;
    const buffer = this.#buffers[n] ?? Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
    this.#buffers[n] = buffer;
    return buffer;
  }

  /** @returns whether another recipient was named for a block, instead of sending it */
  async #leaveToOthers(block: Block, digest: Buffer | undefined, inFlight: SendsInFlight): Promise<boolean> {
    const lane = this.#lane;
    if (lane === undefined || digest === undefined || !block.isWhole) return false;
    const { entry, source, offset, bytes } = block;
    const [end, text] = [offset + bytes, digestText(digest)];
    const from = await lane.holderOf(entry, end, text);
    if (from === undefined) return false;
    await inFlight.fewerThan(MAX_IN_FLIGHT);
    const read = (): Buffer => readSourceBlock(source, offset, bytes, text);
    lane.sent({ entry, end, bytes, digest: text, from, read });
    inFlight.add(
      send(this.#channel, relayedMessage.format({ entry, offset, bytes, block: text, from })),
      0,
      end,
    );
    return true;
  }

  /** What went from here may be had of its recipient from now on. */
  #note({ entry, source, offset, bytes, isWhole }: Block, digest: Buffer | undefined): void {
    if (this.#lane === undefined || digest === undefined || !isWhole) return;
    const text = digestText(digest);
    const read = (): Buffer => readSourceBlock(source, offset, bytes, text);
    this.#lane.sent({ entry, end: offset + bytes, bytes, digest: text, from: undefined, read });
  }

  async #sendSame(same: Same, inFlight: SendsInFlight): Promise<void> {
    await inFlight.fewerThan(MAX_IN_FLIGHT);
    inFlight.add(send(this.#channel, formatSame(same)), 0, same.offset + same.bytes);
  }

  async #sendZeros(entry: number, offset: number, inFlight: SendsInFlight): Promise<void> {
    await inFlight.fewerThan(MAX_IN_FLIGHT);
    const end = offset + DIGEST_BLOCK_BYTES;
    inFlight.add(send(this.#channel, zerosMessage.format({ entry, offset })), 0, end);
  }

  /** The digest of the block goes with the first chunk, so that the receiver can verify the block when it is whole. */
  async #sendChunks(entry: number, from: number, piece: Piece, inFlight: SendsInFlight): Promise<void> {
    const { content } = piece;
    const pieceBytes = this.#limit?.pieceBytes ?? Infinity;
    const most = Math.min(CHUNK_BYTES, pieceBytes);
    const digest = piece.blockDigest();
    let block = digest === undefined ? undefined : digestText(digest);
    for (let at = 0; at < content.length && inFlight.isWanted; at += most) {
      const chunk = content.subarray(at, at + most);
      const offset = from + at;
      // Chunks that wait for their time must not be overtaken.
      await inFlight.fewerThan(pieceBytes === Infinity ? MAX_IN_FLIGHT : 1);
      await this.#limit?.take(chunk.length, this.#stop);
      const sending = this.#channel.send(chunkHeader({ entry, offset, block }), chunk);
      inFlight.add(sending, chunk.length, offset + chunk.length);
      block = undefined;
    }
  }
}

/** Reads what was opened. A copy from the page cache takes less time than handing it to another thread would. */
export function readerOf({ handle, file }: OpenSource): ReadBlock {
  return (into, offset, bytes) => {
    try {
      let got = 0;
      for (let read = -1; got < bytes && read !== 0; got += read)
        read = readSync(handle.fd, into, got, bytes - got, offset + got);
      return into.subarray(0, got);
    } catch (error) {
      throw sourceError(file, error);
    }
  };
}

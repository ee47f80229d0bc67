import { MAX_CHUNK_BYTES } from './limits.ts';

/** Smaller parts come from Node's own pool soon enough; larger ones are no chunks. */
const MIN_ROOM_BYTES = 64 * 1024;
const MAX_ROOM_BYTES = MAX_CHUNK_BYTES;

/** What the process keeps for the chunks to come, in bytes. */
const MAX_SPARE_BYTES = 16 * 1024 * 1024;

/**
 * Room for contents that come in several pieces. A reader of bulk content gives each back when it is done with
 * it: fresh memory for every chunk costs page faults and a busy garbage collector, a fifth of a transfer's time.
 */
class Rooms {
  /** The ones handed out, so that nothing is given back twice or was never ours. */
  readonly #taken = new WeakSet<ArrayBufferLike>();
  readonly #spare: ArrayBufferLike[] = [];
  #spareBytes = 0;

  /** @returns a buffer of exactly `bytes`, with whatever lay in it before */
  take(bytes: number): Buffer {
    if (bytes < MIN_ROOM_BYTES || bytes > MAX_ROOM_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const fits = this.#spare.findLastIndex((spare) => spare.byteLength >= bytes);
    const [room = new ArrayBuffer(bytes)] = fits < 0 ? [] : this.#spare.splice(fits, 1);
    if (fits >= 0) this.#spareBytes -= room.byteLength;
    this.#taken.add(room);
    return Buffer.from(room, 0, bytes);
  }

  /** Takes a room back, which the caller must not use again. Anything else is left alone. */
  giveBack(content: Buffer): void {
    const room = content.buffer;
    if (!this.#taken.delete(room) || this.#spareBytes + room.byteLength > MAX_SPARE_BYTES) return;
    this.#spare.push(room);
    this.#spareBytes += room.byteLength;
  }
}

/** The process's own: every room is filled to its end before anyone sees it. */
export const rooms = new Rooms();

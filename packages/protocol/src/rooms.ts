import { MAX_CHUNK_BYTES } from './limits.ts';

/** Smaller parts come from Node's own pool soon enough; larger ones are no chunks. */
const MIN_ROOM_BYTES = 64 * 1024;
const MAX_ROOM_BYTES = MAX_CHUNK_BYTES;

/** What one connection keeps for the next chunks. */
const MAX_SPARE = 4;

/**
 * Room for contents that come in several pieces. A reader of bulk content gives each back when it is done with
 * it: fresh memory for every chunk costs page faults and a busy garbage collector, a fifth of a transfer's time.
 */
export class Rooms {
  /** The ones handed out, so that nothing is given back twice or was never ours. */
  readonly #taken = new WeakSet<ArrayBufferLike>();
  readonly #spare: ArrayBufferLike[] = [];

  /** @returns a buffer of exactly `bytes`, with whatever lay in it before */
  take(bytes: number): Buffer {
    if (bytes < MIN_ROOM_BYTES || bytes > MAX_ROOM_BYTES) return Buffer.allocUnsafeSlow(bytes);
    const fits = this.#spare.findIndex((spare) => spare.byteLength >= bytes);
    const [room = new ArrayBuffer(bytes)] = fits < 0 ? [] : this.#spare.splice(fits, 1);
    this.#taken.add(room);
    return Buffer.from(room, 0, bytes);
  }

  /** Takes a room back, which the caller must not use again. Anything else is left alone. */
  giveBack(content: Buffer): void {
    if (this.#taken.delete(content.buffer) && this.#spare.length < MAX_SPARE)
      this.#spare.push(content.buffer);
  }
}

const LINE_FEED = 10;
const NO_BYTES = Buffer.alloc(0);

/** Bytes that came in pieces and leave in other ones. A part that is whole in one piece is not copied. */
export class ByteQueue {
  #pieces: Buffer[] = [];
  #first = 0;
  /** Bytes of the first piece that have left. */
  #offset = 0;
  #bytes = 0;
  /** The next piece to search for a line end, and the bytes before it: no byte is searched twice. */
  #unsearched = 0;
  #searchedBytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  put(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** @returns the bytes before the first line feed, or -1 while there is none */
  lineBytes(): number {
    for (; this.#unsearched < this.#pieces.length - this.#first; this.#unsearched++) {
      const piece = this.#pieces[this.#first + this.#unsearched] ?? NO_BYTES;
      const start = this.#unsearched === 0 ? this.#offset : 0;
      const found = piece.indexOf(LINE_FEED, start);
      if (found >= 0) return this.#searchedBytes + found - start;
      this.#searchedBytes += piece.length - start;
    }
    return -1;
  }

  /** @param wanted at most `bytes` */
  take(wanted: number): Buffer {
    this.#bytes -= wanted;
    this.#unsearched = 0;
    this.#searchedBytes = 0;
    const head = this.#pieces[this.#first] ?? NO_BYTES;
    if (head.length - this.#offset >= wanted) return this.#cut(head, wanted);
    const whole = Buffer.allocUnsafe(wanted);
    for (let filled = 0; filled < wanted;) {
      const piece = this.#pieces[this.#first] ?? NO_BYTES;
      const part = this.#cut(piece, Math.min(wanted - filled, piece.length - this.#offset));
      whole.set(part, filled);
      filled += part.length;
    }
    return whole;
  }

  /** @returns what is in one piece, undefined when nothing waits */
  takePiece(maxBytes = Infinity): Buffer | undefined {
    const head = this.#pieces[this.#first];
    return head === undefined ? undefined : this.take(Math.min(head.length - this.#offset, maxBytes));
  }

  #cut(piece: Buffer, bytes: number): Buffer {
    const from = this.#offset;
    if (from + bytes < piece.length) {
      this.#offset += bytes;
    } else if (piece.length > 0) {
      this.#offset = 0;
      // Shifting a long array is linear: drop what has left in one cut, now and then.
      if (++this.#first === this.#pieces.length || this.#first === 1024) {
        this.#pieces.splice(0, this.#first);
        this.#first = 0;
      }
    }
    return piece.subarray(from, from + bytes);
  }
}

/** Keeps the last of a text that comes in pieces, whatever its length. */
export class OutputTail {
  readonly #keepBytes: number;
  readonly #pieces: Buffer[] = [];
  #keptBytes = 0;
  #allBytes = 0;

  /** @param keepBytes of UTF-8; twice that may be held meanwhile */
  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  add(text: string): void {
    const bytes = Buffer.from(text);
    const piece = bytes.subarray(Math.max(0, bytes.length - this.#keepBytes));
    this.#allBytes += bytes.length;
    // A copy: a part of a large buffer would keep all of it.
    this.#pieces.push(piece.length < bytes.length ? Buffer.from(piece) : piece);
    this.#keptBytes += piece.length;
    if (this.#keptBytes > 2 * this.#keepBytes || this.#pieces.length > 1_000) this.#shrink();
  }

  /**
   * The last of it.
   *
   * @param encodedBytes what it may take as a JSON string, without the quotes
   * @returns the text, and how many bytes of what came are not in it
   */
  end(encodedBytes: number): { text: string; droppedBytes: number } {
    this.#shrink();
    const kept = wholeCharacters(Buffer.concat(this.#pieces));
    const text = lastOf(kept, Math.min(encodedBytes, this.#keepBytes));
    return { text, droppedBytes: this.#allBytes - Buffer.byteLength(text) };
  }

  #shrink(): void {
    const all = Buffer.concat(this.#pieces);
    const kept = Buffer.from(all.subarray(Math.max(0, all.length - this.#keepBytes)));
    this.#pieces.splice(0, Infinity, kept);
    this.#keptBytes = kept.length;
  }
}

/** What begins in the middle of a character begins after it instead. */
function wholeCharacters(bytes: Buffer): string {
  let start = 0;
  while (start < 3 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.toString('utf8', start);
}

/** The end of a text that takes at most so many bytes as a JSON string. */
function lastOf(text: string, encodedBytes: number): string {
  const sizeFrom = (start: number): number => Buffer.byteLength(JSON.stringify(text.slice(start))) - 2;
  if (sizeFrom(0) <= encodedBytes) return text;
  let [tooEarly, fits] = [0, text.length];
  while (fits - tooEarly > 1) {
    const middle = Math.floor((tooEarly + fits) / 2);
    if (sizeFrom(middle) <= encodedBytes) fits = middle;
    else tooEarly = middle;
  }
  // Not in the middle of a pair of surrogates.
  const isLow = (text.charCodeAt(fits) & 0xfc00) === 0xdc00;
  return text.slice(isLow ? fits + 1 : fits);
}

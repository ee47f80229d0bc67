/** A set of entries' numbers: a bit for each, so that a million take 125 KB. */
export class EntrySet {
  #bits = Buffer.alloc(0);

  add(entry: number): void {
    const at = entry >> 3;
    if (at >= this.#bits.length)
      this.#bits = Buffer.concat([this.#bits], Math.max(64, at + 1, 2 * this.#bits.length));
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (entry & 7));
  }

  has(entry: number): boolean {
    return ((this.#bits[entry >> 3] ?? 0) & (1 << (entry & 7))) !== 0;
  }
}

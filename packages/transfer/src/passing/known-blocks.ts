/** Digests of blocks that a recipient has or gets, as far as they are remembered: of 32 GiB in blocks of 1 MiB. */
const MAX_KNOWN = 32_768;

/** The same of all recipients of a job together, in equal shares: 64 MiB of memory. */
const MAX_KNOWN_OF_ALL = 16 * MAX_KNOWN;

/** Digests of blocks that a recipient has, or is about to have; the oldest are forgotten. */
export class KnownBlocks {
  /** Whether it was taken, by digest. */
  readonly #known = new Map<string, boolean>();

  get size(): number {
    return this.#known.size;
  }

  /** @param remembering recipients of the job that remember some */
  add(digest: string, isTaken: boolean, remembering: number): void {
    if (this.#known.get(digest) === true) return;
    this.#known.set(digest, isTaken);
    const most = Math.min(MAX_KNOWN, Math.floor(MAX_KNOWN_OF_ALL / remembering));
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= most) return;
      this.#known.delete(oldest);
    }
  }

  has(digest: string): boolean {
    return this.#known.has(digest);
  }

  isTaken(digest: string): boolean {
    return this.#known.get(digest) === true;
  }

  clear(): void {
    this.#known.clear();
  }
}

/** How much of a resource may be in use. Units are the owner's: bytes, connections, lines. */
export interface ShareBounds {
  /** Of one holder. */
  readonly perHolder: number;
  /** Of all holders together. */
  readonly inAll: number;
}

/**
 * One resource that other machines make this program use: bounded for each holder and in all. A holder is a machine's
 * id, or the block of its address while its id is not proved to be a member's. When all together are at their bound,
 * each holder may have an equal part: the one that uses most gives way, never one that uses little.
 */
export class Shares {
  readonly #bounds: ShareBounds;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
  }

  get total(): number {
    return this.#total;
  }

  of(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  /** Whether a holder has more than it may have now. */
  isOver(holder: string): boolean {
    return this.of(holder) > this.#allowed(holder, 0);
  }

  /** Takes what cannot be refused any more; `isOver` tells when the holder must wait. */
  add(holder: string, amount: number): void {
    if (amount === 0) return; // one that has nothing takes no part from the others
    this.#held.set(holder, this.of(holder) + amount);
    this.#total += amount;
  }

  /** @returns whether the holder may have so much more; then it is taken */
  tryAdd(holder: string, amount: number): boolean {
    if (this.of(holder) + amount > this.#allowed(holder, amount)) return false;
    this.add(holder, amount);
    return true;
  }

  giveBack(holder: string, amount: number): void {
    const left = this.of(holder) - amount;
    this.#total -= amount;
    if (left > 0) this.#held.set(holder, left);
    else this.#held.delete(holder);
  }

  #allowed(holder: string, more: number): number {
    const { perHolder, inAll } = this.#bounds;
    if (this.#total + more <= inAll) return perHolder;
    const holders = this.#held.size + (this.#held.has(holder) ? 0 : 1);
    return Math.min(perHolder, inAll / holders);
  }
}

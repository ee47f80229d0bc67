/** How fast something may come. Units are the owner's: reports, bytes. */
export interface RateBounds {
  /** From a holder that was quiet for long. */
  readonly atOnce: number;
  /** After that. */
  readonly perSecond: number;
}

/** Beyond so many holders, those that were quiet for long are forgotten: a holder without an entry has all of its share. */
const SWEPT_ABOVE = 1_000;

/**
 * What each holder may cause over time, as a token bucket: the rate of one holder takes nothing from another. A holder is a
 * machine's id, or the block of its address while its id is not proved to be a member's. Clocks are the caller's, in ms, and
 * must not jump.
 */
export class Rates {
  readonly #bounds: RateBounds;
  readonly #known = new Map<string, { readonly left: number; readonly at: number }>();
  #sweepAbove = SWEPT_ABOVE;

  constructor(bounds: RateBounds) {
    this.#bounds = bounds;
  }

  /** How much a holder may cause at once, now; below zero for one that has taken more with `take`. */
  left(holder: string, now: number): number {
    const known = this.#known.get(holder);
    const { atOnce, perSecond } = this.#bounds;
    if (known === undefined) return atOnce;
    return Math.min(atOnce, known.left + (Math.max(0, now - known.at) / 1_000) * perSecond);
  }

  /** Counts what has happened already; a holder that is below zero then waits longer. */
  take(holder: string, amount: number, now: number): void {
    this.#known.set(holder, { left: this.left(holder, now) - amount, at: now });
    if (this.#known.size > this.#sweepAbove) this.#sweep(now);
  }

  /** @returns whether the holder may cause so much now; then it is counted */
  tryTake(holder: string, amount: number, now: number): boolean {
    if (this.left(holder, now) < amount) return false;
    this.take(holder, amount, now);
    return true;
  }

  /** When `tryTake` succeeds, in ms from now. */
  waitMs(holder: string, amount: number, now: number): number {
    const { perSecond } = this.#bounds;
    return Math.max(0, Math.ceil(((amount - this.left(holder, now)) / perSecond) * 1_000));
  }

  #sweep(now: number): void {
    for (const holder of [...this.#known.keys()])
      if (this.left(holder, now) >= this.#bounds.atOnce) this.#known.delete(holder);
    this.#sweepAbove = Math.max(SWEPT_ABOVE, 2 * this.#known.size);
  }
}

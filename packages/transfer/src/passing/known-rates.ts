/** Machines whose rates are remembered: more than are likely to get jobs of one. */
const MAX_RATES = 4_096;

/** How fast recipients of earlier jobs were, in bytes a second, as long as the process runs: the fastest stand first in the next one. */
export class KnownRates {
  readonly #rates = new Map<string, number>();

  of(id: string): number | undefined {
    return this.#rates.get(id);
  }

  /** @param rate undefined where nothing was measured */
  note(id: string, rate: number | undefined): void {
    if (rate === undefined) return;
    // One that waited for others is not as slow as it looked.
    const before = this.#rates.get(id) ?? 0;
    this.#rates.delete(id);
    this.#rates.set(id, Math.max(rate, before / 2));
    const [oldest] = this.#rates.size > MAX_RATES ? this.#rates.keys() : [];
    if (oldest !== undefined) this.#rates.delete(oldest);
  }
}

/** A value over time. */
export class Trend {
  readonly #samples: { readonly atMs: number; readonly value: number }[] = [];
  #peak = 0;

  add(atMs: number, value: number): void {
    this.#samples.push({ atMs, value });
    this.#peak = Math.max(this.#peak, value);
  }

  /** Begins again; the peak stays. */
  clear(): void {
    this.#samples.length = 0;
  }

  get latest(): number {
    return Math.round(this.#samples.at(-1)?.value ?? 0);
  }

  get peak(): number {
    return Math.round(this.#peak);
  }

  /**
   * By how much it rises between two times: the median of the slopes between any two samples (Theil and Sen), which a few peaks
   * do not move.
   *
   * @returns undefined where it was not seen all the time
   */
  rise(fromMs: number, untilMs: number): number | undefined {
    const within = this.#samples.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
    const [first] = this.#samples;
    if (first === undefined || first.atMs > fromMs || within.length < 3) return undefined;
    const slopes = within.flatMap((a, n) =>
      within.slice(n + 1).map((b) => (b.value - a.value) / (b.atMs - a.atMs)),
    );
    slopes.sort((a, b) => a - b);
    const median = slopes[Math.floor(slopes.length / 2)] ?? 0;
    return Math.round(median * (untilMs - fromMs) * 10) / 10;
  }
}

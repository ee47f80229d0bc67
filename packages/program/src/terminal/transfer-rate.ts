/** What was done within so many ms counts: long enough for a steady figure, short enough to notice a change. */
const WINDOW_MS = 8_000;

/** Points kept within the window. */
const MAX_POINTS = 32;

interface Point {
  readonly at: number;
  readonly bytes: number;
}

/** How fast something continues, by what was done in the last seconds. */
export class TransferRate {
  readonly #points: Point[] = [];

  /**
   * Notes how far it is.
   *
   * @param bytes done by now; less than before when it begins again
   * @param at ms of any clock that does not jump
   * @returns bytes per second; 0 while nothing can be said
   */
  at(bytes: number, at: number): number {
    if (bytes < (this.#points.at(-1)?.bytes ?? 0)) this.#points.length = 0;
    const last = this.#points.at(-1);
    if (last === undefined || at - last.at >= WINDOW_MS / MAX_POINTS) this.#points.push({ at, bytes });
    while (this.#points.length > 2 && at - (this.#points[1]?.at ?? at) > WINDOW_MS) this.#points.shift();
    const first = this.#points[0] ?? { at, bytes };
    return at - first.at < 200 ? 0 : ((bytes - first.bytes) * 1000) / (at - first.at);
  }
}

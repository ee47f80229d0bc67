/** Wakes who waits for something to do. */
export class Alarm {
  #isRung = false;
  readonly #waiting = new Set<() => void>();

  /** There is something to do. */
  ring(): void {
    this.#isRung = true;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Waits for the next ring, or for so long. */
  next(mostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.min(mostMs, MAX_TIMEOUT_MS));
      this.#waiting.add(wake);
    });
  }

  /** The same, where a ring counts that came since it was waited for last. */
  async wait(mostMs: number): Promise<void> {
    if (!this.#isRung && mostMs > 0) await this.next(mostMs);
    this.#isRung = false;
  }
}

/** The longest delay of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

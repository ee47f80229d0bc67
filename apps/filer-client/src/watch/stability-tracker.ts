/** What is waited for to stay as it is. */
interface Waiting<T> {
  found: T;
  state: string;
  /** When it may be looked at again, by the clock of the caller. */
  dueMs: number;
  /** Whether it has changed since it was seen first. */
  isRestless: boolean;
}

/** Files that were seen and must stay as they are for a while: two looks that far apart must show the same. */
export class StabilityTracker<T> {
  readonly #waiting = new Map<string, Waiting<T>>();
  readonly #most: number;

  /** @param most that are waited for at once */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#most;
  }

  has(path: string): boolean {
    return this.#waiting.has(path);
  }

  /**
   * It was looked at.
   *
   * @param state all that changes when it is written to
   * @param settleMs how long it must stay so
   * @returns whether it has
   */
  see(path: string, found: T, state: string, settleMs: number, nowMs: number): boolean {
    const before = this.#waiting.get(path);
    if (before === undefined) {
      this.#waiting.set(path, { found, state, dueMs: nowMs + settleMs, isRestless: false });
      return false;
    }
    if (before.state !== state) {
      // A file that never rests does not keep all others out: it is found again later.
      if (this.isFull && before.isRestless) this.#waiting.delete(path);
      else Object.assign(before, { found, state, dueMs: nowMs + settleMs, isRestless: true });
      return false;
    }
    if (nowMs < before.dueMs) return false;
    this.#waiting.delete(path);
    return true;
  }

  /** It is gone, or no one's concern any more. */
  drop(path: string): void {
    this.#waiting.delete(path);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /** What may be looked at again. */
  due(nowMs: number): string[] {
    return [...this.#waiting].filter(([, { dueMs }]) => dueMs <= nowMs).map(([path]) => path);
  }

  /** When the first is due; undefined when none is waited for. */
  get nextMs(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#waiting.values()) if (next === undefined || dueMs < next) next = dueMs;
    return next;
  }
}

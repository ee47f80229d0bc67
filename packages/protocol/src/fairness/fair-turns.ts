/** So long one turn of the event loop may work for other machines; then sockets and timers have theirs. In ms. */
const SLICE_MS = 10;

/** Pieces of work of one holder that may wait for something (a disk, say) at the same time. */
const AT_ONCE_PER_HOLDER = 16;

/**
 * Work that other machines ask for, in turns: one piece of each holder's after the other, so that a holder who asks
 * for much waits for itself. The event loop turns at least every 10 ms between two pieces.
 */
export class FairTurns {
  /** In the order of their turns. */
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #running = new Map<string, number>();
  readonly #now: () => number;
  #sliceStart: number | undefined;
  #isSettling = false;

  /** @param now a clock that never goes back, in ms */
  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Does `work`, which waits for nothing, if it is the holder's turn now. @returns whether it was */
  tryNow(holder: string, work: () => void): boolean {
    if (!this.#isFree(holder)) return false;
    work();
    return true;
  }

  /** Does `work` when it is the holder's turn: at once while there is little to do. */
  run<T>(holder: string, work: () => Promise<T> | T): Promise<T> | T {
    if (this.#isFree(holder)) return this.#start(holder, work);
    return new Promise<T>((resolve, reject) => {
      const queue = this.#waiting.get(holder) ?? [];
      this.#waiting.set(holder, queue);
      queue.push(() => {
        try {
          Promise.resolve(this.#start(holder, work)).then(resolve, reject);
        } catch (error) {
          reject(error);
        }
      });
      this.#isInSlice(); // the end of the slice begins what waits
    });
  }

  #isFree(holder: string): boolean {
    return this.#hasPlace(holder) && !this.#isAnyReady() && this.#isInSlice();
  }

  /** Whether work waits for its turn; what waits for a place of its own holder holds up no other. */
  #isAnyReady(): boolean {
    for (const holder of this.#waiting.keys()) if (this.#hasPlace(holder)) return true;
    return false;
  }

  #start<T>(holder: string, work: () => Promise<T> | T): Promise<T> | T {
    this.#running.set(holder, (this.#running.get(holder) ?? 0) + 1);
    let result: Promise<T> | T;
    try {
      result = work();
    } catch (error) {
      this.#ended(holder);
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#ended(holder);
      return result;
    }
    return result.finally(() => {
      this.#ended(holder);
      this.#startWaiting();
    });
  }

  #ended(holder: string): void {
    const left = (this.#running.get(holder) ?? 1) - 1;
    if (left === 0) this.#running.delete(holder);
    else this.#running.set(holder, left);
  }

  #hasPlace(holder: string): boolean {
    return (this.#running.get(holder) ?? 0) < AT_ONCE_PER_HOLDER;
  }

  /** Whether this turn of the event loop may continue with work. */
  #isInSlice(): boolean {
    const now = this.#now();
    if (this.#sliceStart === undefined) {
      this.#sliceStart = now;
      setImmediate(() => {
        this.#sliceStart = undefined;
        this.#startWaiting();
      });
    }
    return now - this.#sliceStart < SLICE_MS;
  }

  #startWaiting(): void {
    if (this.#isSettling || this.#waiting.size === 0 || !this.#isInSlice()) return;
    const next = this.#takeNext();
    if (next === undefined) return; // each holder that waits has all its places taken: their ends call this
    next();
    // What the piece left for the end of this tick (a signature of TLS, what an `await` continues) is of the same slice.
    this.#isSettling = true;
    queueMicrotask(() => {
      process.nextTick(() => {
        this.#isSettling = false;
        this.#startWaiting();
      });
    });
  }

  #takeNext(): (() => void) | undefined {
    for (const [holder, queue] of this.#waiting) {
      if (!this.#hasPlace(holder)) continue;
      const next = queue.shift();
      this.#waiting.delete(holder);
      if (queue.length > 0) this.#waiting.set(holder, queue);
      return next;
    }
    return undefined;
  }
}

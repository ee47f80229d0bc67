/** A place among those that work. */
export interface Turn {
  /** Somebody else may work meanwhile: this one only waits. */
  leave(): void;
  /** Waits for a place again; at once where it was not left. */
  again(): Promise<void>;
}

/** So many may work at the same time; the others wait their turn, first come first served. */
export class Semaphore {
  readonly #places: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#places = atOnce;
  }

  /** Whether no one works or waits. */
  get isIdle(): boolean {
    return this.#taken === 0;
  }

  /** Waits for a place. @returns what leaves it, once; undefined when `signal` ended the waiting */
  async enter(signal?: AbortSignal): Promise<(() => void) | undefined> {
    if (signal?.aborted === true) return undefined;
    if (this.#taken < this.#places) this.#taken++;
    else if (!(await this.#wait(signal))) return undefined;
    let held = true;
    return () => {
      if (held) this.#leave();
      held = false;
    };
  }

  /** Does `work` when it is its turn. @param signal ends the waiting: `work` then begins without a turn, and must end at once */
  async take<T>(work: (turn: Turn) => Promise<T>, signal?: AbortSignal): Promise<T> {
    let leavePlace = await this.enter(signal);
    let over = false;
    const leave = (): void => {
      leavePlace?.();
      leavePlace = undefined;
    };
    const again = async (): Promise<void> => {
      if (leavePlace !== undefined || over) return;
      leavePlace = await this.enter(signal);
      if (over) leave();
    };
    try {
      return await work({ leave, again });
    } finally {
      over = true;
      leave();
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise<boolean>((resolve) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        resolve(false);
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', giveUp);
        resolve(true);
      };
      this.#waiting.push(enter);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}

/** A semaphore for each key. */
export class KeyedSemaphore {
  readonly #atOnce: number;
  readonly #byKey = new Map<string, Semaphore>();

  /** @param atOnce of one key */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @see Semaphore.enter */
  async enter(key: string, signal?: AbortSignal): Promise<(() => void) | undefined> {
    const semaphore = this.#of(key);
    const leave = await semaphore.enter(signal);
    return (
      leave &&
      (() => {
        leave();
        this.#tidy(key, semaphore);
      })
    );
  }

  /** @see Semaphore.take */
  async take<T>(key: string, work: (turn: Turn) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const semaphore = this.#of(key);
    try {
      return await semaphore.take(work, signal);
    } finally {
      this.#tidy(key, semaphore);
    }
  }

  #of(key: string): Semaphore {
    const semaphore = this.#byKey.get(key) ?? new Semaphore(this.#atOnce);
    this.#byKey.set(key, semaphore);
    return semaphore;
  }

  #tidy(key: string, semaphore: Semaphore): void {
    if (semaphore.isIdle) this.#byKey.delete(key);
  }
}

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

/** A semaphore for each key, for as long as somebody uses it. */
export class KeyedSemaphore {
  readonly #atOnce: number;
  readonly #byKey = new Map<string, { readonly semaphore: Semaphore; users: number }>();

  /** @param atOnce of one key */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @see Semaphore.enter */
  async enter(key: string, signal?: AbortSignal): Promise<(() => void) | undefined> {
    const { semaphore, free } = this.#use(key);
    const leave = await semaphore.enter(signal);
    if (leave === undefined) {
      free();
      return undefined;
    }
    return () => {
      leave();
      free();
    };
  }

  /** @see Semaphore.take */
  async take<T>(key: string, work: (turn: Turn) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { semaphore, free } = this.#use(key);
    try {
      return await semaphore.take(work, signal);
    } finally {
      free();
    }
  }

  /** Counted, since one that left its place for a while (`Turn.leave`) still comes back to the same semaphore. */
  #use(key: string): { readonly semaphore: Semaphore; readonly free: () => void } {
    const entry = this.#byKey.get(key) ?? { semaphore: new Semaphore(this.#atOnce), users: 0 };
    this.#byKey.set(key, entry);
    entry.users++;
    let used = true;
    const free = (): void => {
      if (used) entry.users--;
      used = false;
      if (entry.users === 0 && this.#byKey.get(key) === entry) this.#byKey.delete(key);
    };
    return { semaphore: entry.semaphore, free };
  }
}

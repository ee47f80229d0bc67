/** A place among those that work. */
export interface Turn {
  /** Somebody else may work meanwhile: this one only waits. */
  leave(): void;
  /** Waits for a place again; at once where it was not left. */
  again(): Promise<void>;
}

/** So many may work at the same time; the others wait their turn, first come first served. */
export class Turns {
  #free: number;
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Whether nobody works or waits. */
  get isIdle(): boolean {
    return this.#inside === 0;
  }

  /** Does `work` when it is its turn. @param signal ends the waiting: `work` then begins without a turn, and must end at once */
  async take<T>(work: (turn: Turn) => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#inside++;
    let held = await this.#enter(signal);
    let over = false;
    const leave = (): void => {
      if (held) this.#leave();
      held = false;
    };
    const again = async (): Promise<void> => {
      if (held || over) return;
      const entered = await this.#enter(signal);
      if (over && entered) this.#leave();
      else held = entered;
    };
    try {
      return await work({ leave, again });
    } finally {
      over = true;
      leave();
      this.#inside--;
    }
  }

  /** @returns whether it has a place; false only when `signal` ended the waiting */
  async #enter(signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted === true) return false;
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return await new Promise<boolean>((resolve) => {
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
    if (next === undefined) this.#free++;
    else next();
  }
}

/** Does `work` when it is its turn everywhere, one after the other. @param signal as of `take` */
export function takeAll<T>(
  all: readonly Turns[],
  work: (turns: readonly Turn[]) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const [first, ...rest] = all;
  if (first === undefined) return work([]);
  return first.take((turn) => takeAll(rest, (turns) => work([turn, ...turns]), signal), signal);
}

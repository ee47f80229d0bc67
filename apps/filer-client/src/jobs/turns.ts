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
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Does `work` when it is its turn. */
  async take<T>(work: (turn: Turn) => Promise<T>): Promise<T> {
    await this.#enter();
    let [held, over] = [true, false];
    const leave = (): void => {
      if (held) this.#leave();
      held = false;
    };
    const again = async (): Promise<void> => {
      if (held) return;
      await this.#enter();
      if (over) this.#leave();
      else held = true;
    };
    try {
      return await work({ leave, again });
    } finally {
      over = true;
      leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

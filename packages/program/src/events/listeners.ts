/** Calls listeners at once, in the order in which they were added. A listener must not throw. */
export class Listeners<A extends readonly unknown[]> {
  readonly #listeners = new Set<(...told: A) => void>();

  /** @returns what takes the listener off again */
  readonly add = (listener: (...told: A) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  tell(...told: A): void {
    for (const listener of this.#listeners) listener(...told);
  }
}

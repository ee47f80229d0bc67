/** Waits for work that may never end, until it is cut off. */
export class CutOff {
  #isCut = false;
  #wake: (() => void) | undefined;

  /**
   * Waits for one piece of work at a time. Its result after the cut does not matter.
   *
   * @returns undefined when it was cut off
   */
  wait<T>(work: T | Promise<T>): Promise<T | undefined> {
    if (!(work instanceof Promise)) return Promise.resolve(work);
    return new Promise((resolve, reject) => {
      work.then(resolve, reject);
      this.#wake = () => resolve(undefined);
      if (this.#isCut) this.#wake();
    });
  }

  cut(): void {
    this.#isCut = true;
    this.#wake?.();
  }
}

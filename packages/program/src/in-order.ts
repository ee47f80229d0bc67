/** Does one thing after the other: what is read, decided and stored in one of them is not changed by another one meanwhile. */
export class InOrder {
  #last: Promise<unknown> = Promise.resolve();

  /** Does `work` when all that was given before is done, however it ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Runs that are the same for all who call for one: each caller waits for a run that began after the call. */
export class SharedRuns {
  readonly #run: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** @throws what the run throws */
  run(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#run().finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined) // told to the caller that began it
      .then(() => {
        this.#next = undefined;
        return this.run();
      });
    return this.#next;
  }
}

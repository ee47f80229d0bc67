/** Work that continues beside the conversation, up to a bound. */
export class BoundedTasks {
  readonly #follow: (work: Promise<void>) => Promise<void>;
  readonly #most: number;
  readonly #all = new Set<Promise<void>>();

  /** @param follow gives a promise that never rejects. @param most of them side by side */
  constructor(follow: (work: Promise<void>) => Promise<void>, most: number) {
    this.#follow = follow;
    this.#most = most;
  }

  /** Resolves as soon as more may be begun. */
  async begun(work: Promise<void>): Promise<void> {
    const followed = this.#follow(work);
    this.#all.add(followed);
    void followed.then(() => this.#all.delete(followed));
    if (this.#all.size >= this.#most) await Promise.race(this.#all);
  }

  /** Resolves when all that was begun by now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#all);
  }
}

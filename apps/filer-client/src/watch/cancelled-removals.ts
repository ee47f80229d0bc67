import type { WatchStore } from '../store/watch-store.ts';

/** Recipients whose job was cancelled: removals up to then go with the next file, or with a later removal, and not by themselves. */
export class CancelledRemovals {
  readonly #watches: Pick<WatchStore, 'cancelled'>;
  readonly #watch: number;
  #cancelled: ReturnType<WatchStore['cancelled']> = [];

  constructor(watches: Pick<WatchStore, 'cancelled'>, watch: number) {
    this.#watches = watches;
    this.#watch = watch;
    this.look();
  }

  /** Finds what was cancelled since: what is noticed from now on is not meant by it. */
  look(): void {
    const before = new Map(this.#cancelled.map((each) => [`${each.job} ${each.peer}`, each]));
    this.#cancelled = this.#watches
      .cancelled(this.#watch)
      .map((each) => before.get(`${each.job} ${each.peer}`) ?? each);
  }

  /** @param owed of the recipient */
  hold(recipient: string, owed: number): boolean {
    return this.#cancelled.some(({ peer, removals }) => peer === recipient && removals >= owed);
  }
}

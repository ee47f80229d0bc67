import type { WatchDeliveryStore } from '../store/watch-delivery-store.ts';

/** Recipients whose job was cancelled: removals up to then go with the next file, or with a later removal, and not by themselves. */
export class CancelledRemovals {
  readonly #deliveries: Pick<WatchDeliveryStore, 'cancelled'>;
  readonly #watch: number;
  #cancelled: ReturnType<WatchDeliveryStore['cancelled']> = [];

  constructor(deliveries: Pick<WatchDeliveryStore, 'cancelled'>, watch: number) {
    this.#deliveries = deliveries;
    this.#watch = watch;
    this.look();
  }

  /** Finds what was cancelled since: what is noticed from now on is not meant by it. */
  look(): void {
    const before = new Map(this.#cancelled.map((each) => [`${each.job} ${each.peer}`, each]));
    this.#cancelled = this.#deliveries
      .cancelled(this.#watch)
      .map((each) => before.get(`${each.job} ${each.peer}`) ?? each);
  }

  /** @param owed of the recipient */
  hold(recipient: string, owed: number): boolean {
    return this.#cancelled.some(({ peer, removals }) => peer === recipient && removals >= owed);
  }
}

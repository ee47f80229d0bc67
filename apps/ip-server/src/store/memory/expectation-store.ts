import type { Effects } from '../effects.ts';
import type { Expectation, SavedClock } from '../expectation.ts';
import type { ExpectationStore } from '../expectation-store.ts';

/** What is expected of machines, in memory. */
export class MemoryExpectationStore implements ExpectationStore {
  readonly #apply: (effects: Effects) => void;
  readonly #all = new Map<string, Expectation>();
  #clock: SavedClock | undefined;

  /** @param apply keeps effects in all stores that they concern */
  constructor(apply: (effects: Effects) => void) {
    this.#apply = apply;
  }

  async all(): Promise<Expectation[]> {
    return [...this.#all.values()];
  }

  async clock(): Promise<SavedClock | undefined> {
    return this.#clock;
  }

  async apply(effects: Effects): Promise<void> {
    this.#apply(effects);
  }

  /** The part of effects that is kept here. */
  keep({ kept, dropped, clock }: Effects): void {
    for (const { peer, schedule } of dropped) this.#all.delete(`${peer} ${schedule}`);
    for (const each of kept) this.#all.set(`${each.peer} ${each.schedule}`, each);
    this.#clock = clock ?? this.#clock;
  }
}

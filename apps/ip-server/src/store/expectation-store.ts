import type { Effects } from './effects.ts';
import type { Expectation, SavedClock } from './expectation.ts';

/** What is expected of each machine, and the clock by which it is judged. */
export interface ExpectationStore {
  all(): Promise<Expectation[]>;
  clock(): Promise<SavedClock | undefined>;
  /** Keeps effects that follow from no report, in one transaction. @throws FilerError of the store; nothing has changed then */
  apply(effects: Effects): Promise<void>;
}

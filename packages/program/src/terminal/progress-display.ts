import type { ProgressAmounts, ProgressState } from './progress-row.ts';

/** How far transfers are, shown while they run. */
export interface ProgressDisplay {
  /** Whether it holds lines of the terminal: what is printed meanwhile would tear them. */
  readonly isDrawn: boolean;
  /** Those that it will be shown for. */
  expect(names: readonly string[]): void;
  /** @param moved bytes that travelled so far, of which the rate is made */
  show(name: string, amounts: ProgressAmounts, moved: number): void;
  mark(name: string, state: ProgressState): void;
  /** Words that cannot wait until it ends. */
  say(line: string): void;
  /** Ends the display; what is printed afterwards stands below it. */
  stop(): void;
}

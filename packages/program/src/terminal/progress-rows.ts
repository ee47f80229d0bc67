import { ProgressRow, type ProgressAmounts, type ProgressState } from './progress-row.ts';

/** The rows of a display, in the order in which they came. */
export class ProgressRows {
  readonly #byName = new Map<string, ProgressRow>();

  get all(): ProgressRow[] {
    return [...this.#byName.values()];
  }

  expect(names: readonly string[]): void {
    for (const name of names) this.#of(name);
  }

  show(name: string, amounts: ProgressAmounts, moved: number): void {
    this.#of(name).take(amounts, moved, performance.now());
  }

  mark(name: string, state: ProgressState): void {
    this.#of(name).mark(state, performance.now());
  }

  #of(name: string): ProgressRow {
    const row = this.#byName.get(name) ?? new ProgressRow(name, performance.now());
    this.#byName.set(name, row);
    return row;
  }
}

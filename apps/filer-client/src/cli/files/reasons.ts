import type { Output } from '@filer/program';

/** Reasons that are shown of one command: another machine can give each file one of its own. */
const MAX_REASONS = 1_000;

/** Why files failed: what many of them have in common, such as a full disk, is said once. */
export class Reasons {
  readonly #told = new Set<string>();

  /** @returns whether it is to be shown; it counts as shown from now on */
  isNews(reason: string): boolean {
    if (this.#told.has(reason) || this.#told.size > MAX_REASONS) return false;
    this.#told.add(reason);
    return true;
  }

  /** Shows the reason of the whole, unless it was shown. */
  conclude(reason: string, output: Pick<Output, 'warn'>): void {
    if (!this.#told.has(reason)) output.warn(reason);
  }

  /** Shows a reason that is news. */
  warn(reason: string, output: Pick<Output, 'warn'>): void {
    if (this.isNews(reason)) output.warn(this.#told.size > MAX_REASONS ? LEFT_OUT : reason);
  }
}

const LEFT_OUT = `more than ${MAX_REASONS} reasons came, the others are left out: --json tells all`;

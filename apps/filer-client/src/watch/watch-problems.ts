import type { Logger } from '@filer/program';

/** What keeps a watched folder from being shipped whole, beside what is in it: the folder, removals that are not certain, its recipients, what is to be put away, or a fault in this program's rounds or scans. */
export type Trouble = 'root' | 'removals' | 'targets' | 'away' | 'fault' | 'scan-fault';

/** Why not all goes as it should; each reason is logged once. */
export class WatchProblems {
  readonly #log: Logger;
  readonly #watch: string;
  readonly #reasons = new Map<Trouble, string>();

  /** @param watch its name */
  constructor(log: Logger, watch: string) {
    this.#log = log;
    this.#watch = watch;
  }

  /** @param reason undefined when there is none any more */
  note(what: Trouble, reason: string | undefined): void {
    const before = this.#reasons.get(what);
    if (reason === undefined) this.#reasons.delete(what);
    else this.#reasons.set(what, reason);
    if (reason === undefined || reason === before) return;
    this.#log.warn('a watched folder has a problem', { watch: this.#watch, reason });
  }

  get reasons(): readonly string[] {
    return [...this.#reasons.values()];
  }
}

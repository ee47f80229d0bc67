import { CLONE_WINDOW_MS } from '@filer/protocol';

/** `refuse`: this one only. `clone`: this one, and the live one must be closed too. */
export type Verdict = 'accept' | 'refuse' | 'clone';

interface History {
  /** The incarnation that was accepted last. */
  newest: string;
  /** Those that another one replaced, and when. */
  replaced: { readonly incarnation: string; readonly at: number }[];
  /** The older one that was refused last, while a newer one was connected. */
  refused: string | undefined;
  /** Both of a pair of clones, until then. */
  barred: { readonly incarnations: readonly string[]; readonly until: number } | undefined;
}

/**
 * Judges which daemon of an identity may be present. The newer incarnation replaces the older; one that was
 * replaced and comes back within the window alternates with its replacement: a cloned disk image, and no one
 * can say which of the two is the right machine.
 */
export class Incarnations {
  readonly #histories = new Map<string, History>();

  /**
   * @param incarnation `counter.random`, of the one that comes
   * @param live the one that is connected now
   * @param now ms of a clock that does not jump
   */
  judge(id: string, incarnation: string, live: string | undefined, now: number): Verdict {
    const history = this.#histories.get(id);
    if (history === undefined) {
      this.#histories.set(id, {
        newest: incarnation,
        replaced: [],
        refused: undefined,
        barred: undefined,
      });
      return 'accept';
    }
    const { barred } = history;
    if (barred !== undefined && now < barred.until && barred.incarnations.includes(incarnation))
      return 'refuse';
    if (incarnation === history.newest) return 'accept';
    history.replaced = history.replaced.filter(({ at }) => now - at <= CLONE_WINDOW_MS);
    // An older one that comes again while the newer one is connected runs, too.
    const runsToo = live !== undefined && history.refused === incarnation;
    if (runsToo || history.replaced.some((each) => each.incarnation === incarnation)) {
      history.barred = { incarnations: [incarnation, history.newest], until: now + CLONE_WINDOW_MS };
      history.replaced = [];
      history.refused = undefined;
      return 'clone';
    }
    if (live !== undefined && counterOf(incarnation) < counterOf(live)) {
      history.refused = incarnation;
      return 'refuse';
    }
    history.replaced.push({ incarnation: history.newest, at: now });
    history.newest = incarnation;
    return 'accept';
  }

  /** Forgets a machine that is no member any more. */
  forget(id: string): void {
    this.#histories.delete(id);
  }
}

function counterOf(incarnation: string): number {
  return Number(incarnation.split('.')[0]);
}

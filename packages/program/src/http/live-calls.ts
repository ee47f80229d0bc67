import { FilerError, Shares, type ShareBounds } from '@filer/protocol';

/** What is in work for tokens: bounded for each and in all, and ended at once when its token is revoked. */
export class LiveCalls {
  readonly #shares: Shares;
  readonly #what: string;
  readonly #live = new Map<string, Set<AbortController>>();

  /** @param what in words, such as `calls` */
  constructor(bounds: ShareBounds, what: string) {
    this.#shares = new Shares(bounds);
    this.#what = what;
  }

  get total(): number {
    return this.#shares.total;
  }

  /** @throws FilerError `too-many-connections` */
  begin(tokenId: string): {
    readonly signal: AbortSignal;
    readonly abort: (why: Error) => void;
    readonly end: () => void;
  } {
    if (!this.#shares.tryAdd(tokenId, 1)) {
      throw new FilerError(
        'too-many-connections',
        `too many ${this.#what} are open with this token: close some, and try again`,
      );
    }
    const controller = new AbortController();
    const mine = this.#live.get(tokenId) ?? new Set();
    this.#live.set(tokenId, mine.add(controller));
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      this.#shares.giveBack(tokenId, 1);
      mine.delete(controller);
      if (mine.size === 0 && this.#live.get(tokenId) === mine) this.#live.delete(tokenId);
    };
    return { signal: controller.signal, abort: (why) => controller.abort(why), end };
  }

  /** Ends all of one token, or all. */
  abort(why: Error, tokenId?: string): void {
    const chosen = tokenId === undefined ? [...this.#live.values()] : [this.#live.get(tokenId) ?? []];
    for (const controller of chosen.flatMap((each) => [...each])) controller.abort(why);
  }
}

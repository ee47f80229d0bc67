/** Keeps what one sender can make us remember within bounds: now and then its oldest is forgotten. */
export class SenderRetention {
  readonly #after: number;
  readonly #forgetOldest: (sender: string) => void;
  readonly #added = new Map<string, number>();

  /** @param after so many that a sender has added */
  constructor(after: number, forgetOldest: (sender: string) => void) {
    this.#after = after;
    this.#forgetOldest = forgetOldest;
  }

  added(sender: string): void {
    const added = (this.#added.get(sender) ?? 0) + 1;
    this.#added.set(sender, added % this.#after);
    if (added === this.#after) this.#forgetOldest(sender);
  }
}

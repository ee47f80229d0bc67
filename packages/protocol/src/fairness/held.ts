import type { Shares } from './shares.ts';

/** What one connection has of a shared resource, charged to the machine behind it. */
export class Held {
  readonly #shares: Shares;
  #holder: string;
  #amount = 0;
  #ended = false;

  constructor(shares: Shares, holder: string) {
    this.#shares = shares;
    this.#holder = holder;
  }

  get isOver(): boolean {
    return this.#shares.isOver(this.#holder);
  }

  add(amount: number): void {
    if (this.#ended) return;
    this.#amount += amount;
    this.#shares.add(this.#holder, amount);
  }

  /** @returns whether the holder may have so much more; then it is taken */
  tryAdd(amount: number): boolean {
    if (!this.#shares.tryAdd(this.#holder, amount)) return false;
    this.#amount += amount;
    return true;
  }

  giveBack(amount: number): void {
    if (this.#ended) return;
    this.#amount -= amount;
    this.#shares.giveBack(this.#holder, amount);
  }

  /** Gives back what the connection still has: the rest of it is not read any more. */
  end(): void {
    this.giveBack(this.#amount);
    this.#ended = true;
  }

  /** Charges what the connection has to another holder: its id has been proved to be a member's. */
  moveTo(holder: string): void {
    this.#shares.add(holder, this.#amount);
    this.#shares.giveBack(this.#holder, this.#amount);
    this.#holder = holder;
  }
}

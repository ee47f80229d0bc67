import { DOUBT_MS } from '../store/server-store.ts';

/** Whether this process runs all the time: what others have stored while it stood still is newer than what was seen here. */
export class Wakefulness {
  /** By `performance.now()`; undefined while nothing looks. */
  #seenAt: number | undefined;

  get stoodStill(): boolean {
    return this.#seenAt !== undefined && performance.now() - this.#seenAt > DOUBT_MS;
  }

  /** It runs, and has taken in what others know. */
  seen(): void {
    this.#seenAt = performance.now();
  }

  /** Nothing looks from now on. */
  end(): void {
    this.#seenAt = undefined;
  }
}

import { setImmediate as turn } from 'node:timers/promises';

/** Looking through files waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

/** Lets all else have its turn in between. */
export class Breaths {
  #since = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.#since <= TURN_MS) return;
    await turn();
    this.#since = performance.now();
  }
}

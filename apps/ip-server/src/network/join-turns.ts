import { FilerError, JOIN_TURN_MS, JOIN_WAIT_MS } from '@filer/protocol';

/** Machines without a membership enrol one after the other, for each block of addresses. */
export class JoinTurns {
  /** Who waits, for each block of which a machine has the turn. */
  readonly #waiting = new Map<string, (() => void)[]>();

  /**
   * Waits for the turn of one of a block's joiners.
   *
   * @param closed resolves when the joiner has gone
   * @returns ends the turn; may be called twice
   * @throws FilerError `rate-limited` when it did not come in time
   */
  async take(block: string, closed: Promise<unknown>): Promise<() => void> {
    const waiting = this.#waiting.get(block);
    if (waiting === undefined) {
      this.#waiting.set(block, []);
      return this.#begin(block);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      const at = waiting.indexOf(resolve);
      if (at < 0) return; // its turn has come
      waiting.splice(at, 1);
      reject(new FilerError('rate-limited', 'many machines join from this address: join again in a minute'));
    };
    waiting.push(resolve);
    const timer = setTimeout(leave, JOIN_WAIT_MS);
    void closed.then(leave);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
    return this.#begin(block);
  }

  #begin(block: string): () => void {
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      const next = this.#waiting.get(block)?.shift();
      if (next === undefined) this.#waiting.delete(block);
      else next();
    };
    const timer = setTimeout(end, JOIN_TURN_MS);
    return end;
  }
}

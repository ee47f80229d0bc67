import { FilerError, JOIN_TURN_MS, JOIN_WAIT_MS, KeyedSemaphore, pause } from '@filer/protocol';

/** Machines without a membership enrol one after the other, for each block of addresses. */
export class JoinTurns {
  readonly #ofBlock = new KeyedSemaphore(1);

  /**
   * Waits for the turn of one of a block's joiners.
   *
   * @param closed resolves when the joiner has gone
   * @returns ends the turn; may be called twice
   * @throws FilerError `rate-limited` when it did not come in time
   */
  async take(block: string, closed: Promise<unknown>): Promise<() => void> {
    const waiting = new AbortController();
    const giveUp = (): void => waiting.abort();
    const timer = setTimeout(giveUp, JOIN_WAIT_MS);
    void closed.then(giveUp);
    const leave = await this.#ofBlock.enter(block, waiting.signal);
    clearTimeout(timer);
    if (leave === undefined)
      throw new FilerError('rate-limited', 'many machines join from this address: join again in a minute');
    const turn = new AbortController();
    void pause(JOIN_TURN_MS, turn.signal).then(leave);
    return () => turn.abort();
  }
}

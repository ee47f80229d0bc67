import { KeyedSemaphore, MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER, Semaphore, type Turn } from '@filer/protocol';

/** Room for the deliveries of all jobs together: so many to one peer, so many in all. One slow peer takes not all of it. */
export class TransferTurns {
  readonly #all = new Semaphore(MAX_TRANSFERS);
  /** What must not overtake what was begun before it, by key. */
  readonly inOrder = new KeyedSemaphore(1);
  readonly #byPeer = new KeyedSemaphore(MAX_TRANSFERS_PER_PEER);

  /**
   * Does `work` when it is its turn.
   *
   * @param within whose turns are to be had besides
   * @param work is given all its turns, and what leaves the places for those who send content
   * @param signal ends the waiting: `work` then begins without a turn, and must end at once
   */
  take<T>(
    peerId: string,
    within: Semaphore,
    work: (turns: readonly Turn[], leavePlaces: () => void) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#byPeer.take(
      peerId,
      (ofPeer) =>
        within.take((own) => {
          const withAll = (ofAll: Turn): Promise<T> => {
            const leavePlaces = (): void => [own, ofAll].forEach((turn) => turn.leave());
            return work([ofPeer, own, ofAll], leavePlaces);
          };
          return this.#all.take(withAll, signal);
        }, signal),
      signal,
    );
  }
}

import { MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER } from '@filer/protocol';
import { takeAll, Turns, type Turn } from './turns.ts';

/** Room for the deliveries of all jobs together: so many to one peer, so many in all. One slow peer takes not all of it. */
export class TransferTurns {
  readonly #all = new Turns(MAX_TRANSFERS);
  readonly #byPeer = new Map<string, Turns>();

  /**
   * Does `work` when it is its turn.
   *
   * @param within whose turns are to be had besides
   * @param signal ends the waiting: `work` then begins without a turn, and must end at once
   */
  async take<T>(
    peerId: string,
    within: Turns,
    work: (turns: readonly Turn[]) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const ofPeer = this.#byPeer.get(peerId) ?? new Turns(MAX_TRANSFERS_PER_PEER);
    this.#byPeer.set(peerId, ofPeer);
    try {
      return await takeAll([ofPeer, within, this.#all], work, signal);
    } finally {
      if (ofPeer.isIdle) this.#byPeer.delete(peerId);
    }
  }
}

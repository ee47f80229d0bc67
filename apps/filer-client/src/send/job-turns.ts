import { MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER } from '@filer/protocol';
import { takeAll, Turns, type Turn } from '../jobs/turns.ts';

/** Room for the deliveries of all jobs together: so many to one peer, so many in all. One slow peer takes not all of it. */
export class TransferTurns {
  readonly #all = new Turns(MAX_TRANSFERS);
  readonly #byPeer = new Map<string, Turns>();
  readonly #inOrder = new Map<string, Turns>();

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

  /** Does `work` when nothing else of this key is under way, whatever that waits for. @param signal as of `take` */
  async oneByOne<T>(key: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const turns = this.#inOrder.get(key) ?? new Turns(1);
    this.#inOrder.set(key, turns);
    try {
      return await turns.take(work, signal);
    } finally {
      if (turns.isIdle) this.#inOrder.delete(key);
    }
  }
}

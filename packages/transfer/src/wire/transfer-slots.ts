import { FilerError, formatTransferWord, KeyedSemaphore, Semaphore, WORKING_EVERY_MS } from '@filer/protocol';
import type { Channel } from './channel.ts';

/** Who waits keeps a connection open: so many of one peer may, the next is refused. */
const MAX_WAITING_PER_PEER = 64;

/** Room for transfers: some for each peer, some in all. Who finds none waits, and its sender is told so. */
export class TransferSlots {
  readonly #ofPeer: KeyedSemaphore;
  readonly #inAll: Semaphore;
  readonly #waiting = new Map<string, number>();

  constructor(perPeer: number, inAll: number) {
    this.#ofPeer = new KeyedSemaphore(perPeer);
    this.#inAll = new Semaphore(inAll);
  }

  /**
   * Waits for room.
   *
   * @param channel told `working` while it waits; its end ends the waiting
   * @returns what gives the room back
   * @throws FilerError `connection-closed` when the connection ends first, `rate-limited` when too many of this
   *   peer wait already
   */
  async take(peer: string, channel: Channel): Promise<() => void> {
    const waiting = this.#waiting.get(peer) ?? 0;
    if (waiting >= MAX_WAITING_PER_PEER) {
      throw new FilerError(
        'rate-limited',
        `${MAX_WAITING_PER_PEER} transfers of yours wait for their turn already: try again when some are through`,
      );
    }
    this.#waiting.set(peer, waiting + 1);
    const gone = new AbortController();
    void channel.closed.then(() => gone.abort());
    const { header } = formatTransferWord('working');
    const timer = setInterval(() => void channel.send(header).catch(() => undefined), WORKING_EVERY_MS);
    try {
      const leavePeer = await this.#ofPeer.enter(peer, gone.signal);
      const leaveAll = leavePeer && (await this.#inAll.enter(gone.signal));
      if (leaveAll !== undefined)
        return () => {
          leaveAll();
          leavePeer?.();
        };
      leavePeer?.();
    } finally {
      clearInterval(timer);
      this.#stopWaiting(peer);
    }
    throw (
      (await channel.closed) ??
      new FilerError('connection-closed', 'the sender left while it waited for its turn')
    );
  }

  #stopWaiting(peer: string): void {
    const left = (this.#waiting.get(peer) ?? 1) - 1;
    if (left === 0) this.#waiting.delete(peer);
    else this.#waiting.set(peer, left);
  }
}

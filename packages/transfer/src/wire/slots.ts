import { FilerError, WORKING_EVERY_MS, formatTransferWord } from '@filer/protocol';
import type { Channel } from './channel.ts';

/** Who waits keeps a connection open: so many of one peer may, the next is refused. */
const MAX_WAITING_PER_PEER = 64;

/** Room for transfers: some for each peer, some in all. Who finds none waits, and its sender is told so. */
export class Slots {
  readonly #perPeer: number;
  readonly #inAll: number;
  readonly #taken = new Map<string, number>();
  #all = 0;
  readonly #waiting: { readonly peer: string; readonly enter: () => void }[] = [];

  constructor(perPeer: number, inAll: number) {
    this.#perPeer = perPeer;
    this.#inAll = inAll;
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
    if (!this.#hasRoom(peer)) await this.#wait(peer, channel);
    else this.#enter(peer);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#leave(peer);
    };
  }

  async #wait(peer: string, channel: Channel): Promise<void> {
    if (this.#waiting.filter((place) => place.peer === peer).length >= MAX_WAITING_PER_PEER) {
      throw new FilerError(
        'rate-limited',
        `${MAX_WAITING_PER_PEER} transfers of yours wait for their turn already: try again when some are through`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const place = { peer, enter: resolve };
    this.#waiting.push(place);
    const { header } = formatTransferWord('working');
    const timer = setInterval(() => void channel.send(header).catch(() => undefined), WORKING_EVERY_MS);
    const gone = channel.closed.then((reason) => {
      const index = this.#waiting.indexOf(place);
      if (index >= 0) this.#waiting.splice(index, 1);
      throw reason ?? new FilerError('connection-closed', 'the sender left while it waited for its turn');
    });
    gone.catch(() => undefined); // after `enter` it tells nothing that the transfer does not tell itself
    try {
      await Promise.race([promise, gone]);
    } finally {
      clearInterval(timer);
    }
  }

  #hasRoom(peer: string): boolean {
    return this.#all < this.#inAll && (this.#taken.get(peer) ?? 0) < this.#perPeer;
  }

  #enter(peer: string): void {
    this.#all++;
    this.#taken.set(peer, (this.#taken.get(peer) ?? 0) + 1);
  }

  #leave(peer: string): void {
    this.#all--;
    const left = (this.#taken.get(peer) ?? 1) - 1;
    if (left === 0) this.#taken.delete(peer);
    else this.#taken.set(peer, left);
    const index = this.#waiting.findIndex((place) => this.#hasRoom(place.peer));
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (next === undefined) return;
    this.#enter(next.peer);
    next.enter();
  }
}

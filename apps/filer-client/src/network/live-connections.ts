import type { FilerError, Messenger } from '@filer/protocol';
import { OwnAddresses } from './own-addresses.ts';

/** Live connections with other members, whichever side opened them. */
export class LiveConnections {
  readonly ownAddresses = new OwnAddresses();
  readonly #messengers = new Set<Messenger>();

  /** Adds a connection whose other side is a member, until it ends. */
  add(messenger: Messenger): void {
    this.#messengers.add(messenger);
    this.ownAddresses.watch(messenger);
    void messenger.closed.then(() => this.#messengers.delete(messenger));
  }

  /** Ends all connections of machines that are members no longer, also those that carry a transfer. */
  expel(ids: ReadonlySet<string>, reason: (id: string) => FilerError): void {
    for (const messenger of this.#messengers) {
      const { peerId } = messenger;
      if (peerId !== undefined && ids.has(peerId)) messenger.reject(reason(peerId));
    }
  }
}

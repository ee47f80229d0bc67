import {
  FilerError,
  formatRemovals,
  RemovalList,
  type Message,
  type Messenger,
  type Removal,
} from '@filer/protocol';
import type { Registry } from '../store/registry.ts';
import type { Directory } from './directory.ts';
import type { Presence } from './presence.ts';

/** Hands one message to many without waiting for the slowest. @returns to how many */
export type Multicast = (to: Iterable<Messenger>, message: Message) => Promise<number>;

/** The network's removals as they are kept here, and what one of them does. */
export class Removals {
  readonly #network: string;
  readonly #directory: Directory;
  #list: RemovalList;

  constructor(network: string, registry: Registry, directory: Directory) {
    this.#network = network;
    this.#directory = directory;
    this.#list = new RemovalList(network, registry.removals());
  }

  /** Of the newest one. */
  get number(): number {
    return this.#list.number;
  }

  has(id: string): boolean {
    return this.#list.has(id);
  }

  after(number: number): Removal[] {
    return this.#list.after(number);
  }

  /**
   * Appends a removal and ends the membership.
   *
   * @throws FilerError `signature-invalid`, or whatever keeps it from being next; of the store
   */
  append(removal: Removal): void {
    const before = [...this.#list.entries];
    this.#list.append(removal);
    try {
      this.#directory.remove(removal);
    } catch (error) {
      this.#list = new RemovalList(this.#network, before);
      throw error;
    }
  }
}

/** What a removal means for those who are connected: the removed are out at once, the others know at once. */
export function announceRemovals(
  removals: readonly Removal[],
  presence: Presence,
  multicast: Multicast,
): Promise<number> {
  for (const { id } of removals) presence.expel(id, removedError());
  return multicast(presence.all(), formatRemovals(removals));
}

export function removedError(): FilerError {
  return new FilerError(
    'removed',
    'this machine was removed from the network: to come back it needs a new invite and "filer-client join --new-identity"',
  );
}

import type { PeerEvent } from '../api/contract/peers.ts';

/** Hands what happens to any number of followers. */
export class PeerEvents {
  readonly #followers = new Set<(event: PeerEvent) => void>();

  emit(event: PeerEvent): void {
    for (const follower of this.#followers) follower(event);
  }

  /** @param follower must not throw @returns what ends the following */
  follow(follower: (event: PeerEvent) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

import type { PresenceState } from '@filer/protocol';
import type { ReceivedFile } from '../jobs/intake.ts';
import type { OfferState } from '../store/offer-store.ts';

/** What happens at a running peer, for whoever follows it. Names and texts are others': escape them. */
export type PeerEvent =
  | {
      readonly type: 'message';
      readonly id: string;
      readonly from: string;
      readonly fromId: string;
      /** Whether the ip-server itself wrote it. */
      readonly fromServer: boolean;
      /** This machine's name, `@group` or `@all`. */
      readonly to: string;
      readonly text: string;
      /** ISO 8601, by the sender's clock. */
      readonly time: string;
    }
  | ({ readonly type: 'received' } & ReceivedFile)
  | {
      /** An offer waits for an answer, or no longer does. */
      readonly type: 'offer';
      readonly id: string;
      readonly from: string;
      readonly fromId: string;
      readonly names: readonly string[];
      readonly files: number;
      readonly size: number;
      readonly note: string;
      readonly state: OfferState;
    }
  | { readonly type: 'presence'; readonly name: string; readonly id: string; readonly state: PresenceState }
  | {
      /** This machine has another name or other groups. */
      readonly type: 'member';
      readonly id: string;
      readonly name: string;
      readonly groups: readonly string[];
      /** The name that it had before. */
      readonly was: string;
    }
  | { readonly type: 'server'; readonly connected: boolean; readonly reason: string }
  | {
      readonly type: 'connection';
      readonly id: string;
      readonly name: string;
      readonly direction: 'in' | 'out';
      readonly open: boolean;
      /** How many are open now. */
      readonly remaining: number;
    };

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

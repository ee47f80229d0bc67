import { FilerError, Session, type Handler } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Outreach } from './outreach.ts';
import { reachPeer } from './reach-peer.ts';

/** A session with a peer that this machine opened and keeps. */
export interface KeptSession {
  readonly peer: KnownPeer;
  readonly session: Session;
  readonly since: number;
}

export interface PeerSessionsOptions {
  readonly outreach: Outreach;
  /** Answers what a peer asks over a session that we opened. */
  readonly handlerFor: (peer: KnownPeer) => Handler;
  readonly onOpen: (kept: KeptSession, remaining: number) => void;
  readonly onClosed: (kept: KeptSession, remaining: number) => void;
}

/** The lasting sessions that this machine opened to peers, one each. */
export class PeerSessions {
  readonly #options: PeerSessionsOptions;
  readonly #kept = new Map<string, KeptSession>();
  readonly #opening = new Map<string, Promise<KeptSession>>();

  constructor(options: PeerSessionsOptions) {
    this.#options = options;
  }

  get all(): readonly KeptSession[] {
    return [...this.#kept.values()];
  }

  get(peerId: string): Session | undefined {
    return this.#kept.get(peerId)?.session;
  }

  /** Opens a session and keeps it, or gives the one that is kept. @throws FilerError as `reachPeer` */
  open(peer: KnownPeer, signal?: AbortSignal): Promise<KeptSession> {
    const known = this.#kept.get(peer.id);
    if (known !== undefined) return Promise.resolve(known);
    const opening =
      this.#opening.get(peer.id) ?? this.#open(peer, signal).finally(() => this.#opening.delete(peer.id));
    this.#opening.set(peer.id, opening);
    return opening;
  }

  /** Ends the sessions with these peers in order. @returns how many there were */
  async end(peerIds: readonly string[]): Promise<number> {
    const ended = this.all.filter(({ peer }) => peerIds.includes(peer.id));
    await Promise.all(ended.map(({ session }) => session.close()));
    return ended.length;
  }

  /** Ends all. */
  async close(): Promise<void> {
    await this.end([...this.#kept.keys()]);
  }

  async #open(peer: KnownPeer, signal: AbortSignal | undefined): Promise<KeptSession> {
    const { outreach, handlerFor, onOpen, onClosed } = this.#options;
    const { member } = outreach;
    const { messenger, welcome } = await reachPeer(outreach, peer, { purpose: 'session' }, { signal });
    const kept = { peer, session: new Session(messenger, handlerFor(peer)), since: Date.now() };
    this.#kept.set(peer.id, kept);
    void member.news.addBehind(messenger, member.removals, welcome);
    onOpen(kept, this.#kept.size);
    void kept.session.closed.then(() => {
      this.#kept.delete(peer.id);
      onClosed(kept, this.#kept.size);
    });
    if (signal?.aborted === true) {
      await kept.session.close();
      throw new FilerError('interrupted', 'stopped');
    }
    return kept;
  }
}

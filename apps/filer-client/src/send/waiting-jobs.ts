import { MAX_TRANSFERS_PER_PEER } from '@filer/protocol';
import type { Outreach } from '../network/outreach.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { DeliveryEnd, KeptDelivery } from '../store/job-rows.ts';
import { PeerBackoff } from './peer-backoff.ts';

export interface WaitingJobsOptions {
  readonly outreach: Outreach;
  /** This process, as it is noted at what it runs. */
  readonly owner: string;
  /** How many deliveries to a peer run here, or wait for their turn. */
  readonly serving: (peerId: string) => number;
  /** Whether this one is among them. */
  readonly isServed: (delivery: KeptDelivery) => boolean;
}

/** What waits and may go now, or never will. */
export type Decided = { readonly delivery: KeptDelivery } & (
  { readonly peer: KnownPeer } | { readonly lost: DeliveryEnd }
);

/** Decides who is waited for, and whose turn has come. */
export class WaitingJobs {
  readonly #options: WaitingJobsOptions;
  readonly #backoff = new PeerBackoff();

  constructor(options: WaitingJobsOptions) {
    this.#options = options;
  }

  /** A peer came online, or connected to us. */
  seen(peerId: string): void {
    this.#backoff.seen(peerId);
  }

  /** How it went to reach a peer. */
  tried(peerId: string, reached: boolean): void {
    if (reached) this.#backoff.reached(peerId);
    else this.#backoff.failed(peerId, monotonicMs(), Math.random());
  }

  /** How a recipient stands that is not to be served now: it waits, or never can be; undefined for one to be tried. */
  settled({ peer: id, name }: KeptDelivery, queue: boolean): DeliveryEnd | undefined {
    const peer = this.#options.outreach.member.directory.byId(id);
    const lost = this.#lost(id, peer, name);
    if (lost !== undefined) return lost;
    // It is kept for days, so how long ago it was seen is no part of it.
    if (queue && this.#isAway(peer))
      return { state: 'queued', code: undefined, status: `${name} is offline` };
    if (peer !== undefined) return undefined;
    return { state: 'failed', code: 'no-such-peer', status: `the directory does not know ${name} any more` };
  }

  /** @param peerId of whom alone. @default everyone */
  *due(peerId?: string): Generator<Decided, void> {
    const { member } = this.#options.outreach;
    for (const id of peerId === undefined ? member.jobs.awaitedPeers() : [peerId]) yield* this.#dueFor(id);
  }

  *#dueFor(id: string): Generator<Decided, void> {
    const { outreach, owner, serving, isServed } = this.#options;
    const { member } = outreach;
    const peer = member.directory.byId(id);
    const isLost = this.#lost(id, peer, '') !== undefined;
    if (!isLost && (peer === undefined || this.#isAway(peer))) return;
    const busy = serving(id);
    const room = isLost ? Infinity : this.#roomFor(id) - busy;
    if (room <= 0) return;
    let found = 0;
    const most = isLost ? -1 : room + busy;
    for (const delivery of member.jobs.waitingFor(id, member.network, owner, most)) {
      if (isServed(delivery)) continue;
      const lost = this.#lost(id, peer, delivery.name);
      if (lost !== undefined) yield { delivery, lost };
      else if (peer !== undefined && found++ < room) yield { delivery, peer };
    }
  }

  /** Why a recipient can never be served. */
  #lost(id: string, peer: KnownPeer | undefined, name: string): DeliveryEnd | undefined {
    const { removals } = this.#options.outreach.member;
    if (removals.has(id))
      return { state: 'failed', code: 'removed', status: `${name} was removed from the network` };
    if (peer?.state === 'gone')
      return { state: 'failed', code: 'no-such-peer', status: `${name} has left the network` };
    return undefined;
  }

  /** The directory says that it is not there, and the directory is the server's of now. */
  #isAway(peer: KnownPeer | undefined): boolean {
    return this.#options.outreach.access.current !== undefined && peer?.state !== 'online';
  }

  /** A peer that did not answer gets one try at a time. */
  #roomFor(peerId: string): number {
    if (!this.#backoff.isDue(peerId, monotonicMs())) return 0;
    return this.#backoff.isFailing(peerId) ? 1 : MAX_TRANSFERS_PER_PEER;
  }
}

/** Pauses must not last for days because somebody set the clock back. */
function monotonicMs(): number {
  return performance.now();
}

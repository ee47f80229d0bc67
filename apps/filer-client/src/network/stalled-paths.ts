import { parseHostPort, type FilerError, type Messenger } from '@filer/protocol';
import { DIRECT } from './paths/direct.ts';
import type { Candidate } from './paths.ts';

/** A path that stalled is avoided for so long, in ms; twice that each time it stalls again, up to the longest. */
const AVOIDED_MS = 2 * 60_000;
const LONGEST_MS = 60 * 60_000;

/** So many are known; the oldest is forgotten. A machine has few peers that it sends to, and those few addresses. */
const MAX_KNOWN = 1_000;

/** What was written and not taken for so long says that nothing gets through, in ms: longer than a router restarts. */
const STUCK_MS = 20_000;

interface Stalled {
  readonly until: number;
  readonly ms: number;
}

/**
 * Paths to peers that opened and then carried nothing, as where large packets are dropped: others are tried first for
 * some time, which are slower and work.
 */
export class StalledPaths {
  readonly #known = new Map<string, Stalled>();
  /** Connections on which a person is asked now: that nothing gets on there says nothing about their paths. */
  readonly asking = new WeakSet<Messenger>();

  /** A connection to a peer stalled. */
  stalled(peerId: string, place: string, now = performance.now()): void {
    const key = keyOf(peerId, place);
    const before = this.#known.get(key)?.ms;
    const ms = before === undefined ? AVOIDED_MS : Math.min(LONGEST_MS, 2 * before);
    this.#known.delete(key);
    this.#known.set(key, { until: now + ms, ms });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }

  /** Much got through, or no other path works either: it was the machine or its network that was away. */
  forget(peerId: string, place?: string): void {
    if (place !== undefined) this.#known.delete(keyOf(peerId, place));
    else for (const key of this.#known.keys()) if (key.startsWith(`${peerId} `)) this.#known.delete(key);
  }

  /** Where a peer is not dialled first now. */
  avoided(peerId: string, now = performance.now()): string[] {
    const places = [...this.#known.keys()].filter((key) => key.startsWith(`${peerId} `));
    return places
      .map((key) => key.slice(peerId.length + 1))
      .filter((place) => this.isAvoided(peerId, place, now));
  }

  isAvoided(peerId: string, place: string, now = performance.now()): boolean {
    return (this.#known.get(keyOf(peerId, place))?.until ?? -Infinity) > now;
  }
}

function keyOf(peerId: string, place: string): string {
  return `${peerId} ${place}`;
}

/** Where an attempt leads to: the host, or the kind of a path that has none. */
export function placeOf({ path, address }: Candidate): string {
  return path.kind === DIRECT ? parseHostPort(address).host : path.kind;
}

/** The same of a connection that stands: once it has ended, its address is unknown. */
export function placeReached({ path, socket }: Messenger): string {
  if (path !== undefined && path !== DIRECT) return path;
  return (socket.remoteAddress ?? '').replace(/^::ffff:(?=[0-9.]+$)/, '');
}

/**
 * Whether a connection ended because nothing of much got through, while what is short did. One on which nothing was heard
 * says nothing about its path: the other machine, or the network, was away.
 *
 * @param now ms since the epoch
 */
export function hasStalled(
  reason: FilerError | undefined,
  { lastWord, stuckMs, recvTime }: Pick<Messenger, 'lastWord' | 'stuckMs' | 'recvTime'>,
  now = Date.now(),
): boolean {
  if (reason?.code === 'timed-out' || lastWord?.['code'] === 'timed-out') return true;
  return stuckMs >= STUCK_MS && now - recvTime < STUCK_MS;
}

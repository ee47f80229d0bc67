import { reconnectDelayMs } from '../network/backoff.ts';

/** Signs of life make a try come earlier, but never sooner than this after the last one, in ms. */
const LEAST_PAUSE_MS = 2_000;

interface Failing {
  readonly failures: number;
  readonly failedAt: number;
  readonly dueAt: number;
}

/** When peers that did not answer are tried again: one that claims to be there and is not is not hammered. */
export class PeerBackoff {
  readonly #failing = new Map<string, Failing>();

  /** @param random from 0 to 1 */
  failed(peerId: string, now: number, random: number): void {
    const failures = (this.#failing.get(peerId)?.failures ?? 0) + 1;
    const dueAt = now + Math.max(LEAST_PAUSE_MS, reconnectDelayMs(failures, random));
    this.#failing.set(peerId, { failures, failedAt: now, dueAt });
  }

  reached(peerId: string): void {
    this.#failing.delete(peerId);
  }

  /** It came online, or connected to us. */
  seen(peerId: string): void {
    const failing = this.#failing.get(peerId);
    if (failing === undefined) return;
    const dueAt = Math.min(failing.dueAt, failing.failedAt + LEAST_PAUSE_MS);
    this.#failing.set(peerId, { ...failing, dueAt });
  }

  isFailing(peerId: string): boolean {
    return this.#failing.has(peerId);
  }

  isDue(peerId: string, now: number): boolean {
    return (this.#failing.get(peerId)?.dueAt ?? 0) <= now;
  }
}

/** What a machine may cause at once: twice as many schedules as it may have. */
const AT_ONCE = 200;

/** Each comes back after this, in ms: so many an hour. */
const REFILL_MS = 3_600_000 / AT_ONCE;

/**
 * How many alarms each machine may still cause. One that means harm could miss and send reports all day long, and have
 * people called for each; whatever it announces, more than this is not told of.
 */
export class Allowance {
  readonly #byPeer = new Map<string, { readonly left: number; readonly at: number }>();

  /** @param now steady, in ms */
  left(peer: string, now: number): number {
    const known = this.#byPeer.get(peer);
    if (known === undefined) return AT_ONCE;
    return Math.min(AT_ONCE, known.left + (now - known.at) / REFILL_MS);
  }

  take(peer: string, now: number): void {
    this.#byPeer.set(peer, { left: this.left(peer, now) - 1, at: now });
  }
}

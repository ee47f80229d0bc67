import { HELD_UP_MS, isHeldUp, medianOf, rateOf, sample, SLOW_PART, type Stand } from './relay-stand.ts';

/** Up to so many the sender may serve at once what they cannot pass on: for more its uplink is hardly ever enough. */
const FEW = 16;
/** By so much the sender's share for each has to be better than what recipients give, before it serves all itself. */
const BETTER = 1.25;
/** By so much the sender is to be faster than one link for each further chain. */
const FOR_A_CHAIN = 1.25;

/** What was measured of one job: what most get, what holders give, and what the sender gives. */
export class RelayRates {
  /** What holders give in a second, of those whose successors wait for more. */
  readonly #up = new Map<string, number>();
  /** The most that the sender has given in a second, to all. */
  #sender = 0;
  /** What most have got in a second, at best. */
  #median = 0;

  /** What a holder gives, as far as that showed. */
  upRateOf(id: string): number | undefined {
    return this.#up.get(id);
  }

  /** It was not the holder that gave little. */
  forget(id: string): void {
    this.#up.delete(id);
  }

  /** Measures all once more. */
  look(stands: readonly Stand[], now: number): void {
    this.#median = medianOf(stands.map(({ bestRate }) => bestRate).filter((rate) => rate > 0)) ?? 0;
    let ofSender = 0;
    for (const stand of stands) {
      sample(stand, now);
      const rate = rateOf(stand, now);
      const { holder, isLeaf, isDone } = stand;
      // What a whole link gives shows while more is there.
      if (rate !== undefined && holder !== undefined && !isLeaf && isHeldUp(stand, HELD_UP_MS, now))
        this.#up.set(holder, rate);
      if (holder === undefined && !isDone) ofSender += rate ?? 0;
    }
    this.#sender = Math.max(this.#sender, ofSender);
  }

  /** What one gets at least that is not slow: a part of what its holder gets, or most others do. */
  leastFor(holder: Stand | undefined, now: number): number {
    const ofHolder = holder === undefined ? 0 : (rateOf(holder, now) ?? holder.bestRate);
    return Math.max(this.#median, ofHolder) * SLOW_PART;
  }

  /** Whether a share of the sender's uplink for each is more than recipients give, as far as most of these were measured. */
  isSenderBetter(recipients: number): boolean {
    const known = this.#up.size;
    const rate = medianOf([...this.#up.values()]);
    if (rate === undefined || recipients > FEW || known < 2 || known <= recipients / 2) return false;
    return this.#sender / recipients >= rate * BETTER;
  }

  /** Whether the sender gives more than its chains can pass on. @param recipients that pass on and are not done */
  feedsMore(chains: number, recipients: number): boolean {
    const rate = medianOf([...this.#up.values()]);
    if (rate === undefined || this.#up.size <= recipients / 2) return false;
    return this.#sender >= (chains + 1) * rate * FOR_A_CHAIN;
  }
}

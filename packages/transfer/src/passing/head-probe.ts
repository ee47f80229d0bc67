import { rateOf, type Stand } from './relay-stand.ts';

/** How long two take from the sender instead of one: at least and at most, in ms, and what has to come meanwhile, in bytes. */
const LEAST_MS = 2_000;
const MOST_MS = 6_000;
const LEAST_BYTES = 4 * 1024 * 1024;
/** What is left has to be so much, in bytes: a try costs some blocks that are sent twice. */
const WORTH_BYTES = 128 * 1024 * 1024;
/** By so much more the sender gives then, if the first one was what held it up. */
const MORE = 1.5;

export interface Probed {
  readonly head: Stand;
  readonly second: Stand;
  readonly is: 'begun' | 'head-is-fine' | 'head-is-slow';
}

/**
 * The first of a chain may be slower than all others and than the sender, and no one gets more than it does then. Where its speed
 * is not known of earlier jobs, the second one takes from the sender for a moment, once for each head: if the sender gives much
 * more to both, it was the head.
 */
export class HeadProbe {
  readonly #known = new WeakSet<Stand>();
  #running:
    { readonly head: Stand; readonly second: Stand; readonly rate: number; readonly at: number } | undefined;
  #bytes = 0;

  /**
   * @param secondOf the one that takes from a head, if its link gives what the head gets
   * @param bytes of all of it, as far as that is known
   */
  look(
    heads: readonly Stand[],
    secondOf: (head: Stand) => Stand | undefined,
    bytes: number,
    now: number,
  ): Probed | undefined {
    if (this.#running !== undefined) return this.#end(now);
    const [head] = heads;
    if (head === undefined || heads.length > 1 || this.#known.has(head)) return undefined;
    if (bytes - head.bytes < WORTH_BYTES) return undefined;
    const [rate, second] = [rateOf(head, now), secondOf(head)];
    if (head.member.rate !== undefined || rate === undefined || second === undefined) return undefined;
    this.#known.add(head);
    this.#running = { head, second, rate, at: now };
    this.#bytes = head.bytes + second.bytes;
    return { head, second, is: 'begun' };
  }

  #end(now: number): Probed | undefined {
    if (this.#running === undefined) return undefined;
    const { head, second, rate, at } = this.#running;
    const [ms, bytes] = [now - at, head.bytes + second.bytes - this.#bytes];
    const isOver = head.holder !== undefined || second.holder !== undefined || second.isDone || head.isDone;
    if (!isOver && ms < MOST_MS && (ms < LEAST_MS || bytes < LEAST_BYTES)) return undefined;
    this.#running = undefined;
    if (isOver) return undefined;
    return { head, second, is: (bytes * 1_000) / ms >= rate * MORE ? 'head-is-slow' : 'head-is-fine' };
  }
}

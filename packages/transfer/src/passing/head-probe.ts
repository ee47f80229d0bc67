import { HELD_UP_BYTES, isHolder, rateOf, SLOW_PART, type Stand } from './relay-stand.ts';

/** How long two take from the sender instead of one: at least and at most, in ms, and what has to come meanwhile, in bytes. */
const LEAST_MS = 2_000;
const MOST_MS = 6_000;
const LEAST_BYTES = 4 * 1024 * 1024;
/** What is left has to be so much, in bytes: a try costs some blocks that are sent twice. */
const WORTH_BYTES = 128 * 1024 * 1024;

export interface Probed {
  readonly head: Stand;
  readonly second: Stand;
  readonly is: 'begun' | 'alike' | 'head-is-slow' | 'second-is-slow';
}

/**
 * The first of a chain may be slower than all others and than the sender, and no one gets more than it does then. Where its speed
 * is not known of earlier jobs, the second one takes from the sender, too, for a moment, once for each head: best as both begin, when
 * nothing is on its way between them.
 */
export class HeadProbe {
  readonly #known = new WeakSet<Stand>();
  #running: { readonly head: Stand; readonly second: Stand; readonly at: number } | undefined;
  readonly #before = { head: 0, second: 0 };

  /** Those that take from the sender side by side now. */
  get running(): { readonly head: Stand; readonly second: Stand } | undefined {
    return this.#running;
  }

  /** One is to begin behind a holder. @param bytes of all of it, as far as that is known @returns whether it takes from the sender first */
  beginsWith(head: Stand, second: Stand, bytes: number, now: number): boolean {
    const isBoth = head.bytes < LEAST_BYTES && isHolder(second) && second.member.rate === undefined;
    return isBoth && this.#mayBegin(head, bytes) && this.#begin(head, second, now);
  }

  #mayBegin(head: Stand, bytes: number): boolean {
    const { holder, isDone, member } = head;
    if (this.#running !== undefined || this.#known.has(head)) return false;
    return holder === undefined && !isDone && member.rate === undefined && bytes - head.bytes >= WORTH_BYTES;
  }

  #begin(head: Stand, second: Stand, now: number): true {
    this.#known.add(head);
    this.#running = { head, second, at: now };
    this.#before.head = head.bytes;
    this.#before.second = second.bytes;
    return true;
  }

  /**
   * For once a second.
   *
   * @param secondOf the one that takes from a head
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
    if (head === undefined || heads.length > 1 || !this.#mayBegin(head, bytes)) return undefined;
    const second = secondOf(head);
    // A link that gives less than the head gets is another fault.
    if (second === undefined || second.awaitedBytes >= HELD_UP_BYTES || rateOf(head, now) === undefined)
      return undefined;
    this.#begin(head, second, now);
    return { head, second, is: 'begun' };
  }

  #end(now: number): Probed | undefined {
    if (this.#running === undefined) return undefined;
    const { head, second, at } = this.#running;
    const [first, other] = [head.bytes - this.#before.head, second.bytes - this.#before.second];
    const isOver = head.holder !== undefined || second.holder !== undefined || second.isDone || head.isDone;
    const ms = now - at;
    if (!isOver && ms < MOST_MS && (ms < LEAST_MS || first + other < LEAST_BYTES)) return undefined;
    this.#running = undefined;
    if (isOver) return undefined;
    if (first < other * SLOW_PART) return { head, second, is: 'head-is-slow' };
    return { head, second, is: other < first * SLOW_PART ? 'second-is-slow' : 'alike' };
  }
}

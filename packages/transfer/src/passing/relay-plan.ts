/*
 * Who gets a job's content from whom: chains that begin at the sender. Pure: times and counts are arguments, and each change
 * is returned as moves.
 *
 *   sender ──► a ──► b ──► c        b is the holder of c, c the successor of b
 *        └───► d (a leaf)           a leaf is no holder
 *
 * Members of one subnet stand together, the fastest first, as far as their rates are known of earlier jobs. What is measured
 * changes the order: a link that holds others up goes to the end of the chain with both who have it; who is slow with two
 * holders is a leaf.
 */

import { HeadProbe } from './head-probe.ts';
import { isSilent, isSlow, isStuck, setsPace } from './relay-link.ts';
import { RelayBlame } from './relay-blame.ts';
import { RelayOrder, type Move } from './relay-order.ts';
import { RelayRates } from './relay-rates.ts';
import {
  forgive,
  isHolder,
  isSlower,
  isUnheard,
  medianOf,
  newStand,
  RATE_MS,
  rateOf,
  SLOW_PART,
  type RelayMember,
  type Stand,
} from './relay-stand.ts';

export type { Move, RelayMember };

/** How often `tick` is called, in ms. */
export const LOOK_EVERY_MS = 1_000;
/** So often one that was silent is given to others once more. */
const MOST_RETURNS = 2;
/** So long a chain is to be for a cut. */
const LEAST_CUT = 4;

/** Directs the recipients of one job. */
export class RelayPlan {
  readonly #order = new RelayOrder();
  readonly #rates = new RelayRates();
  readonly #blame = new RelayBlame(this.#order, this.#rates);
  readonly #probe = new HeadProbe();
  #lookedAt: number | undefined;
  #cutAt = 0;
  #foundBytes = 0;
  /** What most took in earlier jobs; undefined where that is known of none. */
  readonly #medianBefore: number | undefined;

  /** @param rates of earlier jobs, as far as they are known of the recipients: who is slow does not depend on who comes first */
  constructor(rates: readonly number[] = []) {
    this.#medianBefore = medianOf(rates);
  }

  /** Who takes from a recipient now. */
  successorsOf(id: string): readonly string[] {
    return this.#order.behind(id).map(({ member }) => member.id);
  }

  /** Who a recipient takes from; undefined for the sender. */
  holderOf(id: string): string | undefined {
    return this.#order.standOf(id)?.holder;
  }

  /** What was learned of the speed of a recipient, in bytes a second; undefined where that is nothing. */
  rateOf(id: string): number | undefined {
    const best = this.#order.standOf(id)?.bestRate ?? 0;
    return this.#rates.upRateOf(id) ?? (best === 0 ? undefined : best);
  }

  /** So much of the job was found by now. */
  found(bytes: number): void {
    this.#foundBytes = Math.max(this.#foundBytes, bytes);
  }

  /** A recipient begins. @returns its holder, and who takes from it instead of the one that it took from */
  join(member: RelayMember, now: number): readonly Move[] {
    const before = this.#order.standOf(member.id);
    const moves = before === undefined ? [] : this.leave(member.id, now);
    const stand = newStand(member, before, now);
    if (this.#wasSlow(member)) stand.isLeaf = stand.isSlow = true;
    const next = this.#order.nextOf(stand);
    const free = stand.isSlow ? this.#order.leafHolder(stand, now) : this.#order.freeHolder(stand, now);
    const holder = next === undefined ? this.#besideHead(stand, free, now) : next.holder;
    this.#order.add(stand);
    if (holder !== undefined) moves.push(this.#order.move(stand, holder, now));
    if (next !== undefined) moves.push(this.#order.move(next, member.id, now));
    if (stand.isDone) moves.push(...this.#relieve(stand, now));
    return moves;
  }

  /** While the first two take from the sender, the others stand behind the second one. @returns who one takes from that joins */
  #besideHead(stand: Stand, holder: string | undefined, now: number): string | undefined {
    const head = this.#order.standOf(holder);
    if (head === undefined || stand.isSlow) return holder;
    if (this.#probe.beginsWith(head, stand, this.#foundBytes, now)) return undefined;
    const { running } = this.#probe;
    if (running?.head !== head || !this.#order.has(running.second)) return holder;
    return this.#order.lastBehind(running.second, stand)?.member.id;
  }

  /** Whether one got less than a third of what most got in earlier jobs, as far as these are known. */
  #wasSlow({ rate }: RelayMember): boolean {
    const median =
      this.#medianBefore ?? medianOf(this.#order.stands.flatMap(({ member }) => member.rate ?? []));
    return rate !== undefined && rate < (median ?? 0) * SLOW_PART;
  }

  /** One that has everything serves what the sender serves until now. */
  #relieve(holder: Stand, now: number): Move[] {
    const heads = this.#order.stands.filter(
      (each) => each !== holder && each.holder === undefined && each.member.passes && !each.isDone,
    );
    const head = heads.find((each) => this.#order.mayHold(holder, each, now));
    return head === undefined || this.#order.isOff ? [] : [this.#order.move(head, holder.member.id, now)];
  }

  /** A recipient is gone, and has not got all. */
  leave(id: string, now: number): Move[] {
    const stand = this.#order.standOf(id);
    if (stand === undefined) return [];
    this.#order.delete(id);
    return this.#order.rehangAll(this.#order.behind(id), stand.holder, now);
  }

  /** A recipient has all of it. */
  done(id: string): void {
    const stand = this.#order.standOf(id);
    if (stand !== undefined) stand.isDone = true;
  }

  /** A recipient says each second that it is there, from now on. */
  expect(id: string, now: number): void {
    const stand = this.#order.standOf(id);
    if (stand === undefined || stand.isExpected) return;
    stand.isExpected = true;
    stand.heardAt = now;
  }

  /**
   * What a recipient awaits of its holder, as far as the holder has it.
   *
   * @param isAll whether that is all that it awaits of others
   */
  awaits(id: string, bytes: number, isAll = false): void {
    const stand = this.#order.standOf(id);
    if (stand === undefined) return;
    stand.awaitedBytes = bytes;
    stand.isAllThere = isAll;
  }

  /** A recipient said something. */
  heard(id: string, now: number): void {
    const stand = this.#order.standOf(id);
    if (stand !== undefined) stand.heardAt = now;
  }

  /** A recipient has so much. */
  progressed(id: string, bytes: number, now: number): void {
    const stand = this.#order.standOf(id);
    if (stand === undefined) return;
    stand.heardAt = now;
    if (bytes <= stand.bytes) return;
    stand.bytes = bytes;
    stand.movedAt = stand.blockAt = now;
  }

  /** Something of a recipient came that it cannot count yet: the link works. */
  moved(id: string, now: number, isBlock = false): void {
    const stand = this.#order.standOf(id);
    if (stand === undefined) return;
    stand.movedAt = stand.heardAt = now;
    if (isBlock) stand.blockAt = now;
  }

  /** A recipient says that its holder does not serve it: the holder goes to the end of the chain. */
  failed(id: string, holder: string, now: number): readonly Move[] {
    const stand = this.#order.standOf(id);
    const faulty = this.#order.standOf(holder);
    if (stand === undefined || faulty === undefined || stand.holder !== holder) return [];
    if (this.#blame.isToBlame(stand, faulty)) return this.#blame.isolate(stand, now);
    faulty.isLeaf = true;
    const moves = [this.#order.rehang(stand, faulty.holder, now)];
    const end = faulty.isDone ? undefined : this.#order.freeHolder(faulty, now);
    return end === undefined ? moves : [...moves, this.#order.move(faulty, end, now)];
  }

  /** A holder does not have what one takes from it: the one before may. */
  passedBy(id: string, holder: string, now: number): readonly Move[] {
    const [stand, by] = [this.#order.standOf(id), this.#order.standOf(holder)];
    if (stand === undefined || by === undefined || stand.holder !== holder) return [];
    const before = this.#order.standOf(by.holder);
    return [this.#order.move(stand, before !== undefined && isHolder(before) ? by.holder : undefined, now)];
  }

  /** Looks for what holds others up. For once a second. */
  tick(now: number): readonly Move[] {
    return this.#look(now).filter(({ from, to }) => from !== to);
  }

  #look(now: number): readonly Move[] {
    const moves: Move[] = [];
    this.#forgiveSleep(now);
    this.#rates.look(this.#order.stands, now);
    for (const stand of this.#order.stands) {
      this.#acquit(stand, now);
      if (stand.isDone || !this.#order.has(stand)) continue;
      if (isUnheard(stand, now)) {
        if (stand.holder !== undefined || !stand.isLeaf) stand.outcasts++;
        moves.push(...this.#blame.isolate(stand, now));
      } else moves.push(...this.#judge(stand, now));
    }
    if (!this.#order.isOff && this.#rates.isSenderBetter(this.#order.size))
      return [...moves, ...this.#stop(now)];
    if (moves.length === 0) moves.push(...this.#takeBack(now));
    if (moves.length === 0) moves.push(...this.#mendPace(now));
    if (moves.length === 0) moves.push(...this.#cut(now));
    if (moves.length === 0) moves.push(...this.#probeHead(now));
    return moves;
  }

  /** While the sender itself stood still, it heard of no one. */
  #forgiveSleep(now: number): void {
    const asleepMs = now - (this.#lookedAt ?? now) - LOOK_EVERY_MS;
    this.#lookedAt = now;
    if (asleepMs < LOOK_EVERY_MS) return;
    for (const stand of this.#order.stands) forgive(stand, asleepMs);
  }

  /** One that is served well, by another one or by the sender, was not the reason. */
  #acquit(stand: Stand, now: number): void {
    const rate = rateOf(stand, now);
    if (stand.suspectAt === undefined || rate === undefined) return;
    if (rate < this.#rates.leastFor(this.#order.standOf(stand.holder), now)) return;
    stand.suspectAt = undefined;
    stand.isLeaf = !stand.member.passes || stand.isSlow;
  }

  /** The link of a recipient with its holder. */
  #judge(stand: Stand, now: number): readonly Move[] {
    const holder = this.#order.standOf(stand.holder);
    if (holder === undefined) return [];
    if (holder.bytes < stand.bytes && isSlower(holder, stand))
      return [this.#order.move(stand, this.#order.freeHolder(stand, now), now)];
    if (stand.awaitedBytes === 0) return [];
    const least = this.#rates.leastFor(holder, now);
    const silent = isSilent(stand, now);
    if (!silent && !isStuck(stand, least, now) && !isSlow(stand, least, now)) return [];
    const moves = this.#blame.trouble(stand, holder, now, !silent);
    if (silent && stand.holder === undefined) stand.outcasts++;
    return moves;
  }

  /** One that went to the sender since it was silent, and gets on again, takes of others: the sender's uplink is what all wait for. */
  #takeBack(now: number): readonly Move[] {
    for (const stand of this.#order.stands) {
      const { holder, isDone, outcasts, since, member } = stand;
      if (holder !== undefined || isDone || !member.passes || outcasts < 1 || outcasts > MOST_RETURNS)
        continue;
      if (now - since < RATE_MS || isUnheard(stand, now) || (rateOf(stand, now) ?? 0) === 0) continue;
      const to = this.#order.isOff ? undefined : this.#order.leafHolder(stand, now);
      if (to !== undefined) return [this.#order.move(stand, to, now)];
    }
    return [];
  }

  /** The first link that sets the pace of those behind it goes to the end: there it holds up no one else. */
  #mendPace(now: number): readonly Move[] {
    for (const stand of this.#order.chain()) {
      const holder = this.#order.standOf(stand.holder);
      if (holder === undefined || stand.isDone || !setsPace(stand, holder, now)) continue;
      if (this.#order.behind(stand.member.id).length === 0) continue;
      const moves = this.#blame.toEnd(stand, holder, now);
      if (moves.length > 0) return moves;
    }
    return [];
  }

  /** The sender serves all from now on. */
  #stop(now: number): readonly Move[] {
    this.#order.isOff = true;
    const held = this.#order.stands.filter(({ holder }) => holder !== undefined);
    return held.map((stand) => this.#order.move(stand, undefined, now));
  }

  /** One more chain, where the sender gives more than those that there are can pass on: what is long takes longer. */
  #cut(now: number): readonly Move[] {
    const chain = this.#order.chain().filter(({ isDone }) => !isDone);
    const heads = chain.filter(({ holder }) => holder === undefined);
    if (this.#order.isOff || now - this.#cutAt < RATE_MS) return [];
    if (!this.#rates.feedsMore(heads.length, chain.length)) return [];
    const longest = heads
      .map((head) => chain.filter((each) => this.#order.isBehind(each, head)))
      .toSorted((a, b) => b.length - a.length)[0];
    const middle = longest?.[Math.ceil(longest.length / 2)];
    if (longest === undefined || middle === undefined || longest.length < LEAST_CUT) return [];
    this.#cutAt = now;
    return [this.#order.move(middle, undefined, now)];
  }

  /** Whether the first one of the only chain is what all others wait for. */
  #probeHead(now: number): readonly Move[] {
    const heads = this.#order.chain().filter(({ holder, isDone }) => holder === undefined && !isDone);
    const secondOf = ({ member }: Stand): Stand | undefined =>
      this.#order.behind(member.id).find((each) => isHolder(each) && !each.isDone);
    const found = this.#probe.look(heads, secondOf, this.#foundBytes, now);
    if (found === undefined) return [];
    const { head, second, is } = found;
    if (!this.#order.has(head) || !this.#order.has(second)) return [];
    if (is === 'begun') return [this.#order.move(second, undefined, now)];
    if (is === 'head-is-slow') return this.#blame.isolate(head, now, true);
    if (is === 'second-is-slow') return this.#blame.isolate(second, now, true);
    return this.#order.mayHold(head, second, now) ? [this.#order.move(second, head.member.id, now)] : [];
  }
}

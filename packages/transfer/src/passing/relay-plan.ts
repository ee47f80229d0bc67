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

import { MAX_AHEAD_BYTES, MAX_CHUNK_BYTES } from '@filer/protocol';
import { HeadProbe } from './head-probe.ts';
import {
  forgive,
  HELD_UP_BYTES,
  isHeldUp,
  isUnheard,
  medianOf,
  newStand,
  RATE_MS,
  rateOf,
  sample,
  type RelayMember,
  type Stand,
} from './relay-stand.ts';

export type { RelayMember };

/** How often `tick` is called, in ms. */
export const LOOK_EVERY_MS = 1_000;
/** A recipient that gets nothing of a holder that has more, for so long, in ms. */
const SILENT_MS = 3_500;
/** How long a way is watched that holds one up, in ms, before it is judged: others are to wait 5 s at most. */
const HELD_UP_MS = 3_000;
/** Who gets less than this part of what others get is slow. */
const SLOW_PART = 1 / 3;
/** A link that gives less than this part of what its holder gets sets the pace of those behind it. */
const PACE_PART = 0.7;
/** A whole block takes so long at most, in ms, however slow all are: for less, content comes as well from the sender. */
const MAX_BLOCK_MS = 60_000;
/** So many slow ones one holder has that serves no one else, before they share an uplink that others need. */
const MOST_LEAVES = 3;
/** Up to so many the sender may serve at once what they cannot pass on: for more its uplink is hardly ever enough. */
const FEW = 16;
/** By so much the sender's share for each has to be better than what recipients give, before it serves all itself. */
const BETTER = 1.25;
/** By so much the sender is to be faster than one link for each further chain, and so long a chain is to be for a cut. */
const FOR_A_CHAIN = 1.25;
const LEAST_CUT = 4;

/** A chain of more recipients takes longer, for a block on its way, than a tree in which each serves two at half the rate. */
const LONGEST_CHAIN = 256;

/** A recipient gets what it lacks from another one from now on; undefined is the sender. */
export interface Move {
  readonly id: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Directs the recipients of one job. */
export class RelayPlan {
  readonly #stands = new Map<string, Stand>();
  /** How many take from one holder: a chain is as fast as one upload, but long where there are very many. */
  readonly #fanOut: number;
  #lookedAt: number | undefined;
  /** What holders give in a second, of those whose successors wait for more. */
  readonly #upRates = new Map<string, number>();
  /** The most that the sender has given in a second, to all. */
  #senderRate = 0;
  /** What most have got in a second, at best. */
  #medianRate = 0;
  #cutAt = 0;
  /** Whether most links between recipients are slower than the sender's share for each: then it serves all. */
  #isOff = false;
  readonly #probe = new HeadProbe();
  #foundBytes = 0;

  /** @param recipients of the job */
  constructor(recipients = 0) {
    this.#fanOut = recipients > LONGEST_CHAIN ? 2 : 1;
  }

  /** Who takes from a recipient now. */
  successorsOf(id: string): readonly string[] {
    return this.#behind(id).map(({ member }) => member.id);
  }

  #behind(id: string): Stand[] {
    return [...this.#stands.values()].filter(({ holder }) => holder === id);
  }

  /** Who a recipient takes from; undefined for the sender. */
  holderOf(id: string): string | undefined {
    return this.#stands.get(id)?.holder;
  }

  /** What was learned of the speed of a recipient, in bytes a second; undefined where that is nothing. */
  rateOf(id: string): number | undefined {
    const rate = Math.max(this.#stands.get(id)?.bestRate ?? 0, this.#upRates.get(id) ?? 0);
    return rate === 0 ? undefined : (this.#upRates.get(id) ?? rate);
  }

  /** So much of the job was found by now. */
  found(bytes: number): void {
    this.#foundBytes = Math.max(this.#foundBytes, bytes);
  }

  /** A recipient begins. @returns its holder, and who takes from it instead of the one that it took from */
  join(member: RelayMember, now: number): readonly Move[] {
    const before = this.#stands.get(member.id);
    const moves = before === undefined ? [] : this.leave(member.id, now);
    const stand = newStand(member, before, now);
    if (this.#wasSlow(member)) stand.isLeaf = stand.isSlow = true;
    const next = this.#nextOf(stand);
    const free = stand.isSlow ? this.#leafHolder(stand, now) : this.#freeHolder(stand, now);
    const holder = next === undefined ? free : next.holder;
    this.#stands.set(member.id, stand);
    if (holder !== undefined) moves.push(this.#move(stand, holder, now));
    if (next !== undefined) moves.push(this.#move(next, member.id, now));
    if (stand.isDone) moves.push(...this.#relieve(stand, now));
    return moves;
  }

  /** Whether one got less than a third of what most got in earlier jobs, as far as these are known. */
  #wasSlow({ rate }: RelayMember): boolean {
    const known = [...this.#stands.values()].flatMap(({ member }) => member.rate ?? []);
    return rate !== undefined && rate < (medianOf(known) ?? 0) * SLOW_PART;
  }

  /** Whose place one takes that joins: behind those of its subnet that are as fast, before all others. */
  #nextOf(stand: Stand): Stand | undefined {
    const { member, isLeaf, isDone } = stand;
    if (this.#isOff || this.#fanOut > 1 || isLeaf || isDone) return undefined;
    const near = this.#chain().filter((each) => each.member.subnet === member.subnet);
    const slower = near.find((each) => rateBefore(each) < rateBefore(stand) * PACE_PART);
    const last = near.at(-1);
    const next = slower ?? (last === undefined ? undefined : this.#behind(last.member.id)[0]);
    // One that has much already would wait for what it has.
    const isTooFar = next === undefined || next.bytes > MAX_AHEAD_BYTES || next.isLeaf || next.isDone;
    return isTooFar || (next.holder === undefined && next !== slower) ? undefined : next;
  }

  /** Those that take part as holders, each after the one that it takes from. */
  #chain(): Stand[] {
    const inOrder: Stand[] = [];
    const add = (stand: Stand): void => {
      if (!isHolder(stand)) return;
      inOrder.push(stand);
      for (const each of this.#behind(stand.member.id)) add(each);
    };
    for (const stand of this.#stands.values()) if (stand.holder === undefined) add(stand);
    return inOrder;
  }

  /** One that has everything serves what the sender serves until now. */
  #relieve(holder: Stand, now: number): Move[] {
    const heads = [...this.#stands.values()].filter(
      (each) => each !== holder && each.holder === undefined && each.member.passes && !each.isDone,
    );
    const head = heads.find((each) => this.#mayHold(holder, each, now));
    return head === undefined || this.#isOff ? [] : [this.#move(head, holder.member.id, now)];
  }

  /** The holder of one that joins or has lost its own: of its subnet where that can be, else the one that has most. */
  #freeHolder(stand: Stand, now: number): string | undefined {
    if (this.#isOff || !stand.member.passes || stand.isDone) return undefined;
    const successors = this.#successors(false);
    const isNear = (each: Stand): number => (each.member.subnet === stand.member.subnet ? 1 : 0);
    return [...this.#stands.values()]
      .filter(({ member }) => (successors.get(member.id) ?? 0) < this.#fanOut)
      .sort((a, b) => isNear(b) - isNear(a) || b.bytes - a.bytes)
      .find((each) => this.#mayHold(each, stand, now))?.member.id;
  }

  /**
   * A holder for one that is slow or may be, where fewest take: the uplink of the last ones is free, while the sender's is what
   * all wait for.
   */
  #leafHolder(stand: Stand, now: number): string | undefined {
    const [leaves, others] = [this.#successors(true), this.#successors(false)];
    const loadOf = ({ member: { id } }: Stand): number =>
      MOST_LEAVES * (others.get(id) ?? 0) + (leaves.get(id) ?? 0);
    return [...this.#stands.values()]
      .sort((a, b) => loadOf(a) - loadOf(b))
      .find((each) => this.#mayHold(each, stand, now))?.member.id;
  }

  /** How many take from each holder, that are slow or may be, or are not. */
  #successors(areSlow: boolean): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { holder, isLeaf, suspectAt } of this.#stands.values())
      if (holder !== undefined && (isLeaf || suspectAt !== undefined) === areSlow)
        counts.set(holder, (counts.get(holder) ?? 0) + 1);
    return counts;
  }

  #mayHold(holder: Stand, of: Stand, now: number): boolean {
    const { isDone, member } = holder;
    if (holder === of || !isHolder(holder) || of.troubles.has(member.id)) return false;
    if (isDone && member.hasAll !== true) return false;
    return !isUnheard(holder, now) && !this.#isBehind(holder, of);
  }

  /** Whether one takes from the other, at whatever distance. */
  #isBehind(one: Stand, other: Stand): boolean {
    for (let at: Stand | undefined = one; at !== undefined; at = this.#standOf(at.holder))
      if (at === other) return true;
    return false;
  }

  /** A recipient is gone, and has not got all. */
  leave(id: string, now: number): Move[] {
    const stand = this.#stands.get(id);
    if (stand === undefined) return [];
    this.#stands.delete(id);
    return this.#rehangAll(this.#behind(id), stand.holder, now);
  }

  /** A recipient has all of it. */
  done(id: string): void {
    const stand = this.#stands.get(id);
    if (stand !== undefined) stand.isDone = true;
  }

  /** A recipient says each second that it is there, from now on. */
  expect(id: string, now: number): void {
    const stand = this.#stands.get(id);
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
    const stand = this.#stands.get(id);
    if (stand === undefined) return;
    stand.awaitedBytes = bytes;
    stand.isAllThere = isAll;
  }

  /** A recipient said something. */
  heard(id: string, now: number): void {
    const stand = this.#stands.get(id);
    if (stand !== undefined) stand.heardAt = now;
  }

  /** A recipient has so much. */
  progressed(id: string, bytes: number, now: number): void {
    const stand = this.#stands.get(id);
    if (stand === undefined) return;
    stand.heardAt = now;
    if (bytes <= stand.bytes) return;
    stand.bytes = bytes;
    stand.movedAt = stand.blockAt = now;
  }

  /** Something of a recipient came that it cannot count yet: the link works. */
  moved(id: string, now: number, isBlock = false): void {
    const stand = this.#stands.get(id);
    if (stand === undefined) return;
    stand.movedAt = stand.heardAt = now;
    if (isBlock) stand.blockAt = now;
  }

  /** A recipient says that its holder does not serve it: the holder goes to the end of the chain. */
  failed(id: string, holder: string, now: number): readonly Move[] {
    const stand = this.#stands.get(id);
    const faulty = this.#standOf(holder);
    if (stand === undefined || faulty === undefined || stand.holder !== holder) return [];
    if (this.#isToBlame(stand, faulty)) return this.#isolate(stand, now);
    faulty.isLeaf = true;
    const moves = [this.#rehang(stand, faulty.holder, now)];
    const end = faulty.isDone ? undefined : this.#freeHolder(faulty, now);
    return end === undefined ? moves : [...moves, this.#move(faulty, end, now)];
  }

  /** A holder does not have what one takes from it: the one before may. */
  passedBy(id: string, holder: string, now: number): readonly Move[] {
    const [stand, by] = [this.#stands.get(id), this.#standOf(holder)];
    if (stand === undefined || by === undefined || stand.holder !== holder) return [];
    const before = this.#standOf(by.holder);
    return [this.#move(stand, before !== undefined && isHolder(before) ? by.holder : undefined, now)];
  }

  /** Looks for what holds others up. For once a second. */
  tick(now: number): readonly Move[] {
    return this.#look(now).filter(({ from, to }) => from !== to);
  }

  #look(now: number): readonly Move[] {
    const moves: Move[] = [];
    this.#forgiveSleep(now);
    const rates = [...this.#stands.values()].map(({ bestRate }) => bestRate).filter((rate) => rate > 0);
    this.#medianRate = medianOf(rates) ?? 0;
    for (const stand of this.#stands.values()) this.#sample(stand, now);
    this.#measureSender(now);
    for (const stand of [...this.#stands.values()]) {
      if (stand.isDone || !this.#stands.has(stand.member.id)) continue;
      if (isUnheard(stand, now)) moves.push(...this.#isolate(stand, now));
      else moves.push(...this.#judge(stand, now));
    }
    if (this.#isSenderBetter()) return [...moves, ...this.#stop(now)];
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
    for (const stand of this.#stands.values()) forgive(stand, asleepMs);
  }

  #sample(stand: Stand, now: number): void {
    sample(stand, now);
    const rate = rateOf(stand, now);
    // What a whole link gives shows while more is there.
    const { holder, suspectAt, isLeaf } = stand;
    if (rate !== undefined && holder !== undefined && !isLeaf && isHeldUp(stand, HELD_UP_MS, now))
      this.#upRates.set(holder, rate);
    // One that is served well, by another one or by the sender, was not the reason.
    if (suspectAt !== undefined && rate !== undefined && rate >= this.#leastRate(stand, now)) {
      stand.suspectAt = undefined;
      stand.isLeaf = !stand.member.passes || stand.isSlow;
    }
  }

  #measureSender(now: number): void {
    const rates = [...this.#stands.values()]
      .filter(({ holder, isDone }) => holder === undefined && !isDone)
      .map((stand) => rateOf(stand, now) ?? 0);
    this.#senderRate = Math.max(
      this.#senderRate,
      rates.reduce((sum, rate) => sum + rate, 0),
    );
  }

  /** What one gets at least that is not slow: a part of what its holder gets, or most others do. */
  #leastRate(stand: Stand, now: number): number {
    const holder = this.#standOf(stand.holder);
    const ofHolder = holder === undefined ? 0 : (rateOf(holder, now) ?? holder.bestRate);
    return Math.max(this.#medianRate, ofHolder) * SLOW_PART;
  }

  /** The link of a recipient with its holder. */
  #judge(stand: Stand, now: number): readonly Move[] {
    const holder = this.#standOf(stand.holder);
    if (holder === undefined || stand.awaitedBytes === 0) return [];
    const isSilent = now - Math.max(stand.movedAt, stand.since) >= SILENT_MS;
    if (isSilent || this.#isStuck(stand, now) || this.#isSlow(stand, now))
      return this.#trouble(stand, holder, now, !isSilent);
    return [];
  }

  /** The first link that sets the pace of those behind it goes to the end: there it holds up no one else. */
  #mendPace(now: number): readonly Move[] {
    for (const stand of this.#chain()) {
      const holder = this.#standOf(stand.holder);
      if (holder === undefined || stand.isDone || !this.#setsPace(stand, holder, now)) continue;
      const moves = this.#toEnd(this.#blamed(stand, holder), stand, holder, now);
      if (moves.length > 0) return moves;
    }
    return [];
  }

  /** Whether no whole block came of its holder, in more than the time that one takes. */
  #isStuck(stand: Stand, now: number): boolean {
    const { awaitsSince = now, blockAt, since, isSlow, bestRate } = stand;
    // One that is slow itself is compared with itself.
    const least = isSlow ? bestRate * SLOW_PART : this.#leastRate(stand, now);
    const blockMs = Math.min((MAX_CHUNK_BYTES * 1_000) / least, MAX_BLOCK_MS);
    return now - Math.max(awaitsSince, blockAt, since) >= SILENT_MS + blockMs;
  }

  /** Whether its holder gives much less than others get, and is what holds it up. */
  #isSlow(stand: Stand, now: number): boolean {
    const rate = rateOf(stand, now);
    if (stand.isSlow || rate === undefined || rate >= this.#leastRate(stand, now)) return false;
    const { allThereSince = now, since } = stand;
    return isHeldUp(stand, HELD_UP_MS, now) || now - Math.max(allThereSince, since) >= RATE_MS;
  }

  /** Whether those behind it would get more without this link. */
  #setsPace(stand: Stand, holder: Stand, now: number): boolean {
    const rate = rateOf(stand, now);
    if (rate === undefined || !isHeldUp(stand, HELD_UP_MS, now)) return false;
    if (this.#fanOut > 1 || this.#behind(stand.member.id).length === 0) return false;
    return rate < (rateOf(holder, now) ?? 0) * PACE_PART;
  }

  #toEnd(blamed: readonly Stand[], stand: Stand, holder: Stand, now: number): Move[] {
    const [first] = blamed;
    const last = blamed.at(-1);
    if (first === undefined || last === undefined) return [];
    const behind = this.#behind(last.member.id);
    const others = first === holder && last === holder ? behind : behind.filter((each) => each !== stand);
    const isKnown = others.every(({ member }) => (member.rate ?? Infinity) * PACE_PART <= seenRate(last));
    if (isKnown && blamed.length === 1) return []; // they stand where they belong
    const moves = this.#rehangAll(others, first.holder, now);
    const end = this.#lastBehind(others.find(isHolder), first);
    if (end !== undefined && this.#mayHold(end, first, now))
      moves.push(this.#move(first, end.member.id, now));
    return moves;
  }

  /** The end of the chain in which one is, without those behind another one. */
  #lastBehind(stand: Stand | undefined, without: Stand): Stand | undefined {
    let last = stand;
    for (let next = stand; next !== undefined && next !== without;) {
      last = next;
      next = this.#behind(next.member.id).find((each) => isHolder(each) && each !== without);
    }
    return last;
  }

  /**
   * Who of a link is the reason that it gives little, one after the other: a recipient that had trouble with another one, too; a
   * holder of whom one said so that gets more elsewhere; a recipient that never got more; else it may be both.
   */
  #blamed(stand: Stand, holder: Stand): readonly Stand[] {
    stand.troubles.add(holder.member.id);
    holder.accusers.add(stand.member.id);
    if (stand.troubles.size > 1) return [stand];
    const least = seenRate(holder) * PACE_PART;
    const isAccused = [...holder.accusers].some((id) => {
      const accuser = this.#standOf(id);
      return accuser !== undefined && accuser !== stand && seenRate(accuser) >= least;
    });
    if (isAccused) return [holder];
    return seenRate(stand) < least ? [stand] : [holder, stand];
  }

  /** @returns whether a recipient has trouble with two holders: then it is the reason itself, and they are not */
  #isToBlame(stand: Stand, holder: Stand): boolean {
    stand.troubles.add(holder.member.id);
    holder.accusers.add(stand.member.id);
    if (stand.troubles.size < 2) return false;
    for (const id of stand.troubles) this.#clear(id);
    return true;
  }

  /**
   * A link does too little. Either of both may be the reason, so both go to the end, the other way round, where they hold up no
   * one else; there it shows which one it was.
   */
  #trouble(stand: Stand, holder: Stand, now: number, isSlow: boolean): readonly Move[] {
    const blamed = this.#blamed(stand, holder);
    if (!blamed.includes(holder)) {
      for (const id of stand.troubles) this.#clear(id);
      return this.#isolate(stand, now, isSlow);
    }
    if (!blamed.includes(stand)) return this.#giveNoMore(holder, now);
    if (!isHolder(stand)) return [this.#move(stand, this.#leafHolder(stand, now), now)];
    const before = holder.holder;
    const behind = [...this.#behind(stand.member.id), ...this.#behind(holder.member.id)];
    stand.suspectAt = now;
    holder.isLeaf = true;
    const others = behind.filter((each) => each !== stand);
    const moves = this.#rehangAll(others, before, now);
    const end = this.#lastBehind(others.find(isHolder), holder)?.member.id ?? before;
    const last = this.#standOf(end);
    moves.push(
      this.#move(stand, last !== undefined && this.#mayHold(last, stand, now) ? end : undefined, now),
    );
    return holder.isDone ? moves : [...moves, this.#move(holder, stand.member.id, now)];
  }

  /** A holder is a leaf from now on; those who had trouble with it were not the reason. */
  #giveNoMore(holder: Stand, now: number): readonly Move[] {
    holder.isLeaf = true;
    for (const id of holder.accusers) {
      const accuser = this.#standOf(id);
      if (accuser === undefined || accuser.troubles.size > 1) continue;
      accuser.suspectAt = undefined;
      accuser.isSlow = false;
      accuser.isLeaf = !accuser.member.passes;
    }
    const moves = this.#rehangAll(this.#behind(holder.member.id), holder.holder, now);
    return holder.isDone ? moves : [...moves, this.#move(holder, this.#leafHolder(holder, now), now)];
  }

  /** A holder was not the reason, unless others had trouble with it, too. */
  #clear(id: string): void {
    const stand = this.#standOf(id);
    if (stand === undefined || stand.accusers.size > 1) return;
    this.#upRates.delete(id);
    stand.isLeaf = !stand.member.passes;
  }

  /**
   * A recipient holds no one up any more: its successors take its place. One that is slow is a leaf of another one, any other is
   * the sender's.
   */
  #isolate(stand: Stand, now: number, isSlow = false): readonly Move[] {
    stand.isLeaf = true;
    stand.isSlow ||= isSlow;
    stand.suspectAt = undefined;
    const before = stand.holder;
    const moves = this.#rehangAll(this.#behind(stand.member.id), before, now);
    const to = isSlow ? this.#leafHolder(stand, now) : undefined;
    return before === to ? moves : [...moves, this.#move(stand, to, now)];
  }

  /** Whether a share of the sender's uplink for each is more than recipients give, as far as most of these were measured. */
  #isSenderBetter(): boolean {
    const { size } = this.#stands;
    const rate = medianOf([...this.#upRates.values()]);
    const known = this.#upRates.size;
    if (this.#isOff || rate === undefined || size > FEW || known < 2 || known <= size / 2) return false;
    return this.#senderRate / size >= rate * BETTER;
  }

  /** The sender serves all from now on. */
  #stop(now: number): readonly Move[] {
    this.#isOff = true;
    const held = [...this.#stands.values()].filter(({ holder }) => holder !== undefined);
    return held.map((stand) => this.#move(stand, undefined, now));
  }

  /** One more chain, where the sender gives more than those that there are can pass on: what is long takes longer. */
  #cut(now: number): readonly Move[] {
    const chain = this.#chain().filter(({ isDone }) => !isDone);
    const heads = chain.filter(({ holder }) => holder === undefined);
    const rate = medianOf([...this.#upRates.values()]);
    if (this.#isOff || this.#fanOut > 1 || rate === undefined || now - this.#cutAt < RATE_MS) return [];
    if (this.#upRates.size <= chain.length / 2) return [];
    if (this.#senderRate < (heads.length + 1) * rate * FOR_A_CHAIN) return [];
    const longest = heads
      .map((head) => chain.filter((each) => this.#isBehind(each, head)))
      .toSorted((a, b) => b.length - a.length)[0];
    const middle = longest?.[Math.ceil(longest.length / 2)];
    if (longest === undefined || middle === undefined || longest.length < LEAST_CUT) return [];
    this.#cutAt = now;
    return [this.#move(middle, undefined, now)];
  }

  /** Whether the first one of the only chain is what all others wait for. */
  #probeHead(now: number): readonly Move[] {
    const heads = this.#chain().filter(({ holder, isDone }) => holder === undefined && !isDone);
    const found = this.#probe.look(
      heads,
      (head) =>
        this.#behind(head.member.id).find(
          (each) => isHolder(each) && !each.isDone && each.awaitedBytes < HELD_UP_BYTES,
        ),
      this.#foundBytes,
      now,
    );
    if (found === undefined) return [];
    const { head, second, is } = found;
    if (is === 'begun') return [this.#move(second, undefined, now)];
    if (is === 'head-is-fine')
      return this.#mayHold(head, second, now) ? [this.#move(second, head.member.id, now)] : [];
    return this.#isolate(head, now, true);
  }

  /** Several lost one holder: one takes its place, and the others stand behind that one. */
  #rehangAll(stands: readonly Stand[], wanted: string | undefined, now: number): Move[] {
    const moves: Move[] = [];
    let first: Stand | undefined;
    for (const stand of stands.toSorted((a, b) => b.bytes - a.bytes)) {
      const end = this.#fanOut > 1 || !isHolder(stand) ? undefined : this.#lastBehind(first, stand);
      const isNext = end !== undefined && this.#mayHold(end, stand, now);
      const leafOf = isHolder(stand) || !stand.member.passes ? undefined : this.#leafHolder(stand, now);
      if (leafOf !== undefined) moves.push(this.#move(stand, leafOf, now));
      else if (isNext) moves.push(this.#move(stand, end.member.id, now));
      else moves.push(this.#rehang(stand, wanted, now));
      if (isHolder(stand)) first ??= stand;
    }
    return moves;
  }

  /** A recipient lost its holder: the one before that takes it, if it can. */
  #rehang(stand: Stand, wanted: string | undefined, now: number): Move {
    const before = this.#standOf(wanted);
    const serves = before !== undefined && this.#mayHold(before, stand, now);
    // The place before was the sender's: the successor is the head of the chain.
    const to = wanted === undefined ? undefined : serves ? wanted : this.#freeHolder(stand, now);
    return this.#move(stand, to, now);
  }

  #move(stand: Stand, to: string | undefined, now: number): Move {
    const from = stand.holder;
    stand.holder = to;
    stand.since = now;
    stand.samples = [];
    return { id: stand.member.id, from, to };
  }

  #standOf(id: string | undefined): Stand | undefined {
    return id === undefined ? undefined : this.#stands.get(id);
  }
}

function isHolder({ isLeaf, suspectAt, member }: Stand): boolean {
  return !isLeaf && suspectAt === undefined && member.passes;
}

/** The most that one is known to take. */
function seenRate({ member, bestRate }: Stand): number {
  return Math.max(member.rate ?? 0, bestRate);
}

/** What it took in earlier jobs; one that is not known stands before all that are. */
function rateBefore({ member, bestRate }: Stand): number {
  return member.rate ?? (bestRate === 0 ? Infinity : bestRate);
}

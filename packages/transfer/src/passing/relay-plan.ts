/*
 * Who gets a job's content from whom: chains that begin at the sender. Pure: times and counts are arguments, and each change
 * is returned as moves.
 *
 *   sender ──► a ──► b ──► c        b is the holder of c, c the successor of b
 *        └───► d (a leaf)           a leaf is no holder
 */

import { MAX_CHUNK_BYTES } from '@filer/protocol';

/** How often `tick` is called, in ms. */
export const LOOK_EVERY_MS = 1_000;
/** A recipient that was not heard of for so long has stopped, in ms: the others are to wait 5 s at most, its notice included. */
const UNHEARD_MS = 3_500;
/** A recipient that gets nothing of a holder that has more, for so long, in ms. */
const SILENT_MS = 3_500;
/** How long a rate is measured before it is judged, in ms. */
const RATE_MS = 5_000;
/** Who gets less than this part of what others get is slow. */
const SLOW_PART = 1 / 3;
/** A recipient that awaits so much that its holder has, in bytes, is held up by the way between them. */
const HELD_UP_BYTES = 4 * 1024 * 1024;
/** A whole block takes so long at most, in ms, however slow all are: for less, content comes as well from the sender. */
const MAX_BLOCK_MS = 60_000;

/** Up to so many the sender may serve at once what they cannot pass on: for more its uplink is hardly ever enough. */
const FEW = 16;
/** A chain of more recipients takes longer, for a block on its way, than a tree in which each serves two at half the rate. */
const LONGEST_CHAIN = 256;

export interface RelayMember {
  readonly id: string;
  /** Whether it takes blocks of others, and hands them on. */
  readonly passes: boolean;
  /** What network it is in, as far as that is known: members of one stand together. */
  readonly subnet?: string | undefined;
}

/** A recipient gets what it lacks from another one from now on; undefined is the sender. */
export interface Move {
  readonly id: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

interface Stand {
  readonly member: RelayMember;
  holder: string | undefined;
  /** It takes part no longer as a holder of others. */
  isLeaf: boolean;
  /** It has all, and is asked nothing more: those who take from it may continue. */
  isDone: boolean;
  /** Bytes that it has, of what is sent now. */
  bytes: number;
  /** What it awaits of its holder, and the holder has. */
  awaitedBytes: number;
  /** Since when it awaits something that the holder has, and since when nothing else holds it up. */
  awaitsSince: number | undefined;
  allThereSince: number | undefined;
  isAllThere: boolean;
  /** Whether it says each second that it is there. */
  isExpected: boolean;
  /** When it got on last, got a whole block, was heard of last, and got its holder. */
  movedAt: number;
  blockAt: number;
  heardAt: number;
  since: number;
  /** What it had at some times since then, oldest first. */
  samples: { readonly at: number; readonly bytes: number }[];
  /** The most that it has got in a second. */
  bestRate: number;
  /** Holders that it had trouble with, and recipients that had trouble with it. */
  readonly troubles: Set<string>;
  readonly accusers: Set<string>;
}

/** Directs the recipients of one job. */
export class RelayPlan {
  readonly #stands = new Map<string, Stand>();
  /** How many take from one holder: a chain is as fast as one upload, but long where there are very many. */
  readonly #fanOut: number;
  #lookedAt: number | undefined;
  /** What the fastest has got in a second, at most. */
  #bestRate = 0;
  /** Holders that were too slow for those behind them. */
  readonly #slowHolders = new Set<string>();
  /** Whether most links between recipients are slower than the sender's: then it serves all. */
  #isOff = false;

  /** @param recipients of the job */
  constructor(recipients = 0) {
    this.#fanOut = recipients > LONGEST_CHAIN ? 2 : 1;
  }

  /** Who takes from a recipient now. */
  successorsOf(id: string): readonly string[] {
    return [...this.#stands.values()].filter(({ holder }) => holder === id).map(({ member }) => member.id);
  }

  /** Who a recipient takes from; undefined for the sender. */
  holderOf(id: string): string | undefined {
    return this.#stands.get(id)?.holder;
  }

  /** A recipient begins. @returns its holder, and who takes from it instead of the one that it took from */
  join(member: RelayMember, now: number): readonly Move[] {
    const before = this.#stands.get(member.id);
    const moves = before === undefined ? [] : this.leave(member.id, now);
    const { troubles = new Set<string>(), accusers = new Set<string>() } = before ?? {};
    const stand: Stand = {
      member,
      holder: undefined,
      isLeaf: !member.passes || (before?.isLeaf ?? false),
      isDone: false,
      bytes: 0,
      awaitedBytes: 0,
      awaitsSince: undefined,
      allThereSince: undefined,
      isAllThere: false,
      isExpected: false,
      movedAt: now,
      blockAt: now,
      heardAt: now,
      since: now,
      samples: [],
      bestRate: 0,
      troubles,
      accusers,
    };
    const holder = this.#freeHolder(stand, now);
    this.#stands.set(member.id, stand);
    return holder === undefined ? moves : [...moves, this.#move(stand, holder, now)];
  }

  /** The holder of one that joins or has lost its own: of its subnet where that can be, else the one that has most. */
  #freeHolder(stand: Stand, now: number): string | undefined {
    if (this.#isOff || !stand.member.passes) return undefined;
    const successors = this.#successors(false);
    const isNear = (each: Stand): number => (each.member.subnet === stand.member.subnet ? 1 : 0);
    return [...this.#stands.values()]
      .filter(({ member }) => (successors.get(member.id) ?? 0) < this.#fanOut)
      .sort((a, b) => isNear(b) - isNear(a) || b.bytes - a.bytes)
      .find((each) => this.#mayHold(each, stand, now))?.member.id;
  }

  /** A holder for one that is slow: its share of an uplink is small, and each holder has one of them at most. */
  #leafHolder(stand: Stand, now: number): string | undefined {
    const [leaves, others] = [this.#successors(true), this.#successors(false)];
    const countOf = ({ member }: Stand): number => others.get(member.id) ?? 0;
    return [...this.#stands.values()]
      .filter(({ member }) => !leaves.has(member.id))
      .sort((a, b) => countOf(a) - countOf(b))
      .find((each) => this.#mayHold(each, stand, now))?.member.id;
  }

  /** How many take from each holder, that are leaves or are none. */
  #successors(areLeaves: boolean): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { holder, isLeaf } of this.#stands.values())
      if (holder !== undefined && isLeaf === areLeaves) counts.set(holder, (counts.get(holder) ?? 0) + 1);
    return counts;
  }

  #mayHold(holder: Stand, of: Stand, now: number): boolean {
    const { isLeaf, isDone, member } = holder;
    if (holder === of || isLeaf || isDone || of.troubles.has(member.id)) return false;
    return !isUnheard(holder, now) && !this.#isBehind(holder, of);
  }

  /** Whether one takes from the other, at whatever distance. */
  #isBehind(one: Stand, other: Stand): boolean {
    for (let at: Stand | undefined = one; at !== undefined; at = this.#standOf(at.holder))
      if (at === other) return true;
    return false;
  }

  /** A recipient is gone, and has not got all. */
  leave(id: string, now: number): readonly Move[] {
    const stand = this.#stands.get(id);
    if (stand === undefined) return [];
    this.#stands.delete(id);
    return this.successorsOf(id).map((each) => this.#rehang(each, stand.holder, now));
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

  /** A recipient says that its holder does not serve it. */
  failed(id: string, holder: string, now: number): readonly Move[] {
    const stand = this.#stands.get(id);
    const faulty = this.#standOf(holder);
    if (stand === undefined || faulty === undefined || stand.holder !== holder) return [];
    return this.#trouble(stand, faulty, now);
  }

  /** Looks for what holds others up. For once a second. */
  tick(now: number): readonly Move[] {
    const moves: Move[] = [];
    this.#forgiveSleep(now);
    for (const stand of this.#stands.values()) this.#sample(stand, now);
    for (const stand of [...this.#stands.values()]) {
      if (stand.isDone || !this.#stands.has(stand.member.id)) continue;
      if (isUnheard(stand, now)) moves.push(...this.#isolate(stand, now));
      else moves.push(...this.#judge(stand, now));
    }
    return moves;
  }

  /** While the sender itself stood still, it heard of no one. */
  #forgiveSleep(now: number): void {
    const asleepMs = now - (this.#lookedAt ?? now) - LOOK_EVERY_MS;
    this.#lookedAt = now;
    if (asleepMs < LOOK_EVERY_MS) return;
    for (const stand of this.#stands.values()) {
      stand.movedAt += asleepMs;
      stand.blockAt += asleepMs;
      stand.heardAt += asleepMs;
      stand.since += asleepMs;
      stand.awaitsSince = stand.allThereSince = undefined;
      stand.samples = [];
    }
  }

  #sample(stand: Stand, now: number): void {
    const { samples, bytes } = stand;
    samples.push({ at: now, bytes });
    while (samples[1] !== undefined && now - samples[1].at >= RATE_MS) samples.shift();
    stand.bestRate = Math.max(stand.bestRate, rateOf(stand, now) ?? 0);
    this.#bestRate = Math.max(this.#bestRate, stand.bestRate);
    stand.awaitsSince = stand.awaitedBytes > 0 ? (stand.awaitsSince ?? now) : undefined;
    stand.allThereSince = stand.isAllThere ? (stand.allThereSince ?? now) : undefined;
  }

  /** The link of a recipient with its holder. */
  #judge(stand: Stand, now: number): readonly Move[] {
    const holder = this.#standOf(stand.holder);
    if (holder === undefined || stand.awaitedBytes === 0) return [];
    if (now - Math.max(stand.movedAt, stand.since) >= SILENT_MS) return this.#trouble(stand, holder, now);
    if (!this.#isStuck(stand, now) && !this.#isSlow(stand, now)) return [];
    if (stand.isLeaf) return this.#trouble(stand, holder, now, true);
    this.#slowHolders.add(holder.member.id);
    const { size } = this.#slowHolders;
    const few = this.#stands.size <= FEW;
    if (few && size > 2 && size > this.#stands.size / 4) return this.#stop(now);
    return this.#trouble(stand, holder, now, true);
  }

  /** Whether no whole block came of its holder, in more than the time that one takes. */
  #isStuck(stand: Stand, now: number): boolean {
    const { awaitsSince = now, blockAt, since, isLeaf, bestRate } = stand;
    // One that is slow itself is compared with itself.
    const least = (isLeaf ? bestRate : this.#bestRate) * SLOW_PART;
    const blockMs = Math.min((MAX_CHUNK_BYTES * 1_000) / least, MAX_BLOCK_MS);
    return now - Math.max(awaitsSince, blockAt, since) >= SILENT_MS + blockMs;
  }

  /** Whether its holder gives much less than others get, and is what holds it up. */
  #isSlow(stand: Stand, now: number): boolean {
    const rate = rateOf(stand, now);
    if (stand.isLeaf || rate === undefined || rate >= this.#bestRate * SLOW_PART) return false;
    const { awaitedBytes, allThereSince = now, since } = stand;
    return awaitedBytes >= HELD_UP_BYTES || now - Math.max(allThereSince, since) >= RATE_MS;
  }

  /**
   * A link does too little. First its holder is taken for the reason, and goes to the end of the chain; a recipient that has
   * trouble with two of them is the reason itself.
   */
  #trouble(stand: Stand, holder: Stand, now: number, isSlow = false): readonly Move[] {
    stand.troubles.add(holder.member.id);
    holder.accusers.add(stand.member.id);
    if (stand.troubles.size > 1) {
      for (const id of stand.troubles) this.#clear(id);
      return this.#isolate(stand, now, isSlow);
    }
    holder.isLeaf = true;
    const before = holder.holder;
    const moves = [this.#rehang(stand.member.id, before, now)];
    // Its place is at the end: there it holds no one up.
    const end = holder.isDone ? undefined : this.#freeHolder(holder, now);
    return end === undefined ? moves : [...moves, this.#move(holder, end, now)];
  }

  /** A holder was not the reason, unless others had trouble with it, too. */
  #clear(id: string): void {
    const stand = this.#standOf(id);
    if (stand === undefined || stand.accusers.size > 1) return;
    this.#slowHolders.delete(id);
    stand.isLeaf = !stand.member.passes;
  }

  /**
   * A recipient holds no one up any more: its successors take its place. One that is slow is a leaf of another one, any other is
   * the sender's.
   */
  #isolate(stand: Stand, now: number, isSlow = false): readonly Move[] {
    stand.isLeaf = true;
    const before = stand.holder;
    const moves = this.successorsOf(stand.member.id).map((each) => this.#rehang(each, before, now));
    const to = isSlow ? this.#leafHolder(stand, now) : undefined;
    return before === to ? moves : [...moves, this.#move(stand, to, now)];
  }

  /** The sender serves all from now on. */
  #stop(now: number): readonly Move[] {
    this.#isOff = true;
    const held = [...this.#stands.values()].filter(({ holder }) => holder !== undefined);
    return held.map((stand) => this.#move(stand, undefined, now));
  }

  /** A recipient lost its holder: the one before that takes it, if it can. */
  #rehang(id: string, wanted: string | undefined, now: number): Move {
    const stand = this.#stands.get(id);
    if (stand === undefined) return { id, from: undefined, to: undefined };
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

function isUnheard({ isExpected, heardAt }: Stand, now: number): boolean {
  return isExpected && now - heardAt >= UNHEARD_MS;
}

/** Bytes a second since the holder was named, over the last seconds; undefined while that is too short to tell. */
function rateOf({ samples, bytes }: Stand, now: number): number | undefined {
  const [first] = samples;
  if (first === undefined || now - first.at < RATE_MS - 1_000) return undefined;
  return ((bytes - first.bytes) * 1_000) / (now - first.at);
}

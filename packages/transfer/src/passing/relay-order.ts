/*
 * Who stands behind whom: chains that begin at the sender. Pure.
 */

import { MAX_AHEAD_BYTES } from '@filer/protocol';
import { isHolder, isSlower, isUnheard, PACE_PART, rateBefore, type Stand } from './relay-stand.ts';

/** So many slow ones one holder has that serves no one else, before they share an uplink that others need. */
const MOST_LEAVES = 3;

/** A recipient gets what it lacks from another one from now on; undefined is the sender. */
export interface Move {
  readonly id: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** The recipients of one job in their chains. */
export class RelayOrder {
  readonly #stands = new Map<string, Stand>();
  /** Whether the sender serves all. */
  isOff = false;

  get stands(): Stand[] {
    return [...this.#stands.values()];
  }

  get size(): number {
    return this.#stands.size;
  }

  standOf(id: string | undefined): Stand | undefined {
    return id === undefined ? undefined : this.#stands.get(id);
  }

  /** Whether it takes part still. */
  has(stand: Stand): boolean {
    return this.#stands.get(stand.member.id) === stand;
  }

  add(stand: Stand): void {
    this.#stands.set(stand.member.id, stand);
  }

  delete(id: string): void {
    this.#stands.delete(id);
  }

  /** Who takes from a recipient now. */
  behind(id: string): Stand[] {
    return this.stands.filter(({ holder }) => holder === id);
  }

  /** Those that take part as holders, each after the one that it takes from. */
  chain(): Stand[] {
    const inOrder: Stand[] = [];
    const add = (stand: Stand): void => {
      if (!isHolder(stand)) return;
      inOrder.push(stand);
      for (const each of this.behind(stand.member.id)) add(each);
    };
    for (const stand of this.stands) if (stand.holder === undefined) add(stand);
    return inOrder;
  }

  /** Whose place one takes that joins: behind those of its subnet that are as fast, before all others. */
  nextOf(stand: Stand): Stand | undefined {
    const { member, isLeaf, isDone } = stand;
    if (this.isOff || isLeaf || isDone) return undefined;
    const near = this.chain().filter((each) => each.member.subnet === member.subnet);
    const slower = near.find((each) => rateBefore(each) < rateBefore(stand) * PACE_PART);
    const last = near.at(-1);
    const next = slower ?? (last === undefined ? undefined : this.behind(last.member.id)[0]);
    // One that has much already would wait for what it has.
    const isTooFar = next === undefined || next.bytes > MAX_AHEAD_BYTES || next.isLeaf || next.isDone;
    return isTooFar || (next.holder === undefined && next !== slower) ? undefined : next;
  }

  /** The holder of one that joins or has lost its own: of its subnet where that can be, else the one that has most. */
  freeHolder(stand: Stand, now: number): string | undefined {
    if (this.isOff || !stand.member.passes || stand.isDone) return undefined;
    const successors = this.#successors(false);
    const isNear = (each: Stand): number => (each.member.subnet === stand.member.subnet ? 1 : 0);
    return this.stands
      .filter((each) => !successors.has(each.member.id) && !isSlower(each, stand))
      .sort((a, b) => isNear(b) - isNear(a) || b.bytes - a.bytes)
      .find((each) => this.mayHold(each, stand, now))?.member.id;
  }

  /**
   * A holder for one that is slow or may be, where fewest take: the uplink of the last ones is free, while the sender's is what
   * all wait for.
   */
  leafHolder(stand: Stand, now: number): string | undefined {
    const [leaves, others] = [this.#successors(true), this.#successors(false)];
    const loadOf = ({ member: { id } }: Stand): number =>
      MOST_LEAVES * (others.get(id) ?? 0) + (leaves.get(id) ?? 0);
    // Who is near the end holds up few.
    const place = new Map(this.chain().map((each, n) => [each, n]));
    return this.stands
      .filter((each) => !isSlower(each, stand))
      .sort((a, b) => loadOf(a) - loadOf(b) || (place.get(b) ?? 0) - (place.get(a) ?? 0))
      .find((each) => this.mayHold(each, stand, now))?.member.id;
  }

  /** How many take from each holder, that are slow or may be, or are not. */
  #successors(areSlow: boolean): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { holder, isLeaf, suspectAt } of this.stands)
      if (holder !== undefined && (isLeaf || suspectAt !== undefined) === areSlow)
        counts.set(holder, (counts.get(holder) ?? 0) + 1);
    return counts;
  }

  /** Whether one may give to another one. */
  mayHold(holder: Stand, of: Stand, now: number): boolean {
    const { isDone, member } = holder;
    if (holder === of || !isHolder(holder) || of.troubles.has(member.id)) return false;
    if (isDone && member.hasAll !== true) return false;
    return !isUnheard(holder, now) && !this.isBehind(holder, of);
  }

  /** Whether one takes from the other, at whatever distance. */
  isBehind(one: Stand, other: Stand): boolean {
    for (let at: Stand | undefined = one; at !== undefined; at = this.standOf(at.holder))
      if (at === other) return true;
    return false;
  }

  /** The end of the chain in which one is, without those behind another one, and without a slower end: that one would wait for it. */
  lastBehind(stand: Stand | undefined, without: Stand): Stand | undefined {
    let last = stand;
    for (let next = stand; next !== undefined && next !== without;) {
      last = next;
      next = this.behind(next.member.id).find(
        (each) => isHolder(each) && each !== without && !isSlower(each, without),
      );
    }
    return last;
  }

  /** Several lost one holder: one takes its place, and the others stand behind that one. */
  rehangAll(stands: readonly Stand[], wanted: string | undefined, now: number): Move[] {
    const moves: Move[] = [];
    let first: Stand | undefined;
    for (const stand of stands.toSorted((a, b) => b.bytes - a.bytes)) {
      const end = !isHolder(stand) ? undefined : this.lastBehind(first, stand);
      const isNext = end !== undefined && !isSlower(end, stand) && this.mayHold(end, stand, now);
      const leafOf = isHolder(stand) || !stand.member.passes ? undefined : this.leafHolder(stand, now);
      if (leafOf !== undefined) moves.push(this.move(stand, leafOf, now));
      else if (isNext) moves.push(this.move(stand, end.member.id, now));
      else moves.push(this.rehang(stand, wanted, now));
      if (isHolder(stand)) first ??= stand;
    }
    return moves;
  }

  /** A recipient lost its holder: the one before that takes it, if it can. */
  rehang(stand: Stand, wanted: string | undefined, now: number): Move {
    const before = this.standOf(wanted);
    const serves = before !== undefined && this.mayHold(before, stand, now);
    // The place before was the sender's: the successor is the head of the chain.
    const to = wanted === undefined ? undefined : serves ? wanted : this.freeHolder(stand, now);
    return this.move(stand, to, now);
  }

  /** One takes from another one from now on. */
  move(stand: Stand, to: string | undefined, now: number): Move {
    const from = stand.holder;
    stand.holder = to;
    stand.since = now;
    stand.samples = [];
    return { id: stand.member.id, from, to };
  }
}

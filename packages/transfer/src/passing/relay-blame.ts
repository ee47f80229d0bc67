import type { Move, RelayOrder } from './relay-order.ts';
import type { RelayRates } from './relay-rates.ts';
import { isHolder, PACE_PART, seenRate, type Stand } from './relay-stand.ts';

/** Finds out which of two a bad link is due to, and takes that one out of the way of others. */
export class RelayBlame {
  readonly #order: RelayOrder;
  readonly #rates: RelayRates;

  constructor(order: RelayOrder, rates: RelayRates) {
    this.#order = order;
    this.#rates = rates;
  }

  /** A link that sets the pace of those behind it goes to the end, where it holds up no one else. */
  toEnd(stand: Stand, holder: Stand, now: number): Move[] {
    const blamed = this.#blamed(stand, holder);
    const [first] = blamed;
    const last = blamed.at(-1);
    if (first === undefined || last === undefined) return [];
    const behind = this.#order.behind(last.member.id);
    const others = first === holder && last === holder ? behind : behind.filter((each) => each !== stand);
    const isKnown = others.every(({ member }) => (member.rate ?? Infinity) * PACE_PART <= seenRate(last));
    if (isKnown && blamed.length === 1) return []; // they stand where they belong
    const moves = this.#order.rehangAll(others, first.holder, now);
    const end = this.#order.lastBehind(others.find(isHolder), first);
    if (end !== undefined && this.#order.mayHold(end, first, now))
      moves.push(this.#order.move(first, end.member.id, now));
    return moves;
  }

  /**
   * A link does too little. Either of both may be the reason, so both go to the end, the other way round, where they hold up no
   * one else; there it shows which one it was.
   */
  trouble(stand: Stand, holder: Stand, now: number, isSlow: boolean): readonly Move[] {
    const blamed = this.#blamed(stand, holder);
    if (!blamed.includes(holder)) {
      for (const id of stand.troubles) this.#clear(id);
      return this.isolate(stand, now, isSlow);
    }
    if (!blamed.includes(stand)) return this.#giveNoMore(holder, now);
    if (!isHolder(stand)) return [this.#order.move(stand, this.#order.leafHolder(stand, now), now)];
    const before = holder.holder;
    const behind = [...this.#order.behind(stand.member.id), ...this.#order.behind(holder.member.id)];
    stand.suspectAt = now;
    holder.isLeaf = true;
    const others = behind.filter((each) => each !== stand);
    const moves = this.#order.rehangAll(others, before, now);
    const end = this.#order.lastBehind(others.find(isHolder), holder)?.member.id ?? before;
    const last = this.#order.standOf(end);
    moves.push(
      this.#order.move(
        stand,
        last !== undefined && this.#order.mayHold(last, stand, now) ? end : undefined,
        now,
      ),
    );
    return holder.isDone ? moves : [...moves, this.#order.move(holder, stand.member.id, now)];
  }

  /**
   * A recipient holds no one up any more: its successors take its place. One that is slow is a leaf of another one, any other is
   * the sender's.
   */
  isolate(stand: Stand, now: number, isSlow = false): readonly Move[] {
    stand.isLeaf = true;
    stand.isSlow ||= isSlow;
    stand.suspectAt = undefined;
    const before = stand.holder;
    const moves = this.#order.rehangAll(this.#order.behind(stand.member.id), before, now);
    const to = isSlow ? this.#order.leafHolder(stand, now) : undefined;
    return before === to ? moves : [...moves, this.#order.move(stand, to, now)];
  }

  /** @returns whether a recipient has trouble with two holders: then it is the reason itself, and they are not */
  isToBlame(stand: Stand, holder: Stand): boolean {
    stand.troubles.add(holder.member.id);
    holder.accusers.add(stand.member.id);
    if (stand.troubles.size < 2) return false;
    for (const id of stand.troubles) this.#clear(id);
    return true;
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
      const accuser = this.#order.standOf(id);
      return accuser !== undefined && accuser !== stand && seenRate(accuser) >= least;
    });
    if (isAccused) return [holder];
    return seenRate(stand) < least ? [stand] : [holder, stand];
  }

  /** A holder is a leaf from now on; those who had trouble with it were not the reason. */
  #giveNoMore(holder: Stand, now: number): readonly Move[] {
    holder.isLeaf = true;
    for (const id of holder.accusers) {
      const accuser = this.#order.standOf(id);
      if (accuser === undefined || accuser.troubles.size > 1) continue;
      accuser.suspectAt = undefined;
      accuser.isSlow = false;
      accuser.isLeaf = !accuser.member.passes;
    }
    const moves = this.#order.rehangAll(this.#order.behind(holder.member.id), holder.holder, now);
    return holder.isDone
      ? moves
      : [...moves, this.#order.move(holder, this.#order.leafHolder(holder, now), now)];
  }

  /** A holder was not the reason, unless others had trouble with it, too. */
  #clear(id: string): void {
    const stand = this.#order.standOf(id);
    if (stand === undefined || stand.accusers.size > 1) return;
    this.#rates.forget(id);
    stand.isLeaf = !stand.member.passes;
  }
}

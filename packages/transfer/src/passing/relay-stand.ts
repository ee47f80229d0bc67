/*
 * How one recipient of a job stands in a `RelayPlan`: who it takes from, what it has, and how fast it gets it. Pure.
 */

/** How long a rate is measured before it is judged, in ms. */
export const RATE_MS = 5_000;
/** A recipient that was not heard of for so long has stopped, in ms: the others are to wait 5 s at most, its notice included. */
const UNHEARD_MS = 3_500;

/** How long a way is watched that holds one up, in ms, before it is judged: others are to wait 5 s at most. */
export const HELD_UP_MS = 3_000;
/** Who gets less than this part of what others get is slow. */
export const SLOW_PART = 1 / 3;
/** A link that gives less than this part of what its holder gets sets the pace of those behind it. */
export const PACE_PART = 0.7;

/** A recipient that awaits so much that its holder has, in bytes, is held up by the way between them. */
export const HELD_UP_BYTES = 4 * 1024 * 1024;

export interface RelayMember {
  readonly id: string;
  /** Whether it takes blocks of others, and hands them on. */
  readonly passes: boolean;
  /** What network it is in, as far as that is known: members of one stand together. */
  readonly subnet?: string | undefined;
  /** What it took in a second in earlier jobs, in bytes, as far as that is known: the fastest stand first. */
  readonly rate?: number | undefined;
  /** Whether it has everything, from before: it takes nothing, and serves those that come later. @default false */
  readonly hasAll?: boolean | undefined;
}

export interface Stand {
  readonly member: RelayMember;
  holder: string | undefined;
  /** It takes part no longer as a holder of others. */
  isLeaf: boolean;
  /** It gets less than others from its holder. */
  isSlow: boolean;
  /** How often it went to the sender since it was silent, and may have been held up by something that is over. */
  outcasts: number;
  /** It had trouble with a holder, and either may be the reason: it holds no others until it gets what it lacks. */
  suspectAt: number | undefined;
  /** It has all, and is asked nothing more: those who take from it may continue. */
  isDone: boolean;
  /** Bytes that it has, of what is sent now. */
  bytes: number;
  /** What it awaits of its holder, and the holder has. */
  awaitedBytes: number;
  /** Since when it awaits so much that only the way to its holder holds it up. */
  heldUpSince: number | undefined;
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

/** @param before how it stood on an earlier connection: what was learned of it then still counts */
export function newStand(member: RelayMember, before: Stand | undefined, now: number): Stand {
  const { troubles = new Set<string>(), accusers = new Set<string>() } = before ?? {};
  return {
    member,
    holder: undefined,
    isLeaf: !member.passes || (before?.isLeaf ?? false),
    isSlow: before?.isSlow ?? false,
    outcasts: before?.outcasts ?? 0,
    suspectAt: undefined,
    isDone: member.hasAll ?? false,
    bytes: 0,
    awaitedBytes: 0,
    heldUpSince: undefined,
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
}

export function isUnheard({ isExpected, heardAt }: Stand, now: number): boolean {
  return isExpected && now - heardAt >= UNHEARD_MS;
}

/** Notes what it has now, for `rateOf`. */
export function sample(stand: Stand, now: number): void {
  const { samples, bytes } = stand;
  samples.push({ at: now, bytes });
  while (samples[1] !== undefined && now - samples[1].at >= RATE_MS) samples.shift();
  stand.bestRate = Math.max(stand.bestRate, rateOf(stand, now) ?? 0);
  stand.heldUpSince = stand.awaitedBytes >= HELD_UP_BYTES ? (stand.heldUpSince ?? now) : undefined;
  stand.awaitsSince = stand.awaitedBytes > 0 ? (stand.awaitsSince ?? now) : undefined;
  stand.allThereSince = stand.isAllThere ? (stand.allThereSince ?? now) : undefined;
}

/** Bytes a second since the holder was named, over the last seconds; undefined while that is too short to tell. */
export function rateOf({ samples, bytes }: Stand, now: number): number | undefined {
  const [first] = samples;
  if (first === undefined || now - first.at < RATE_MS - 1_000) return undefined;
  return ((bytes - first.bytes) * 1_000) / (now - first.at);
}

/** A time in which the sender itself stood still counts for no one. */
export function forgive(stand: Stand, asleepMs: number): void {
  stand.movedAt += asleepMs;
  stand.blockAt += asleepMs;
  stand.heardAt += asleepMs;
  stand.since += asleepMs;
  if (stand.suspectAt !== undefined) stand.suspectAt += asleepMs;
  stand.heldUpSince = stand.awaitsSince = stand.allThereSince = undefined;
  stand.samples = [];
}

/** Whether for so long nothing but the way to its holder has held it up: before, it may have waited for what its holder got late. */
export function isHeldUp({ heldUpSince, since }: Stand, ms: number, now: number): boolean {
  return heldUpSince !== undefined && now - Math.max(heldUpSince, since) >= ms;
}

/** The one in the middle; undefined where there is none. */
export function medianOf(rates: readonly number[]): number | undefined {
  return rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)];
}

/** Whether others may take from it. */
export function isHolder({ isLeaf, suspectAt, member }: Stand): boolean {
  return !isLeaf && suspectAt === undefined && member.passes;
}

/** The most that one is known to take. */
export function seenRate({ member, bestRate }: Stand): number {
  return Math.max(member.rate ?? 0, bestRate);
}

/** What it took in earlier jobs; one that is not known stands before all that are. */
export function rateBefore({ member, bestRate }: Stand): number {
  return member.rate ?? (bestRate === 0 ? Infinity : bestRate);
}

/** Whether one would wait for a holder that gets less than it does itself: then the sender serves it. */
export function isSlower(holder: Stand, stand: Stand): boolean {
  const rate = seenRate(holder);
  return rate > 0 && rate < seenRate(stand) * PACE_PART;
}

import { MAX_CHUNK_BYTES } from '@filer/protocol';
import { HELD_UP_MS, isHeldUp, PACE_PART, RATE_MS, rateOf, SLOW_PART, type Stand } from './relay-stand.ts';

/*
 * What is wrong with the way between a recipient and its holder. Pure.
 */

/** A recipient that gets nothing of a holder that has more, for so long, in ms. */
const SILENT_MS = 3_500;
/** A whole block takes so long at most, in ms, however slow all are: for less, content comes as well from the sender. */
const MAX_BLOCK_MS = 60_000;

/** Whether nothing came of its holder. */
export function isSilent({ movedAt, since }: Stand, now: number): boolean {
  return now - Math.max(movedAt, since) >= SILENT_MS;
}

/** Whether no whole block came of its holder, in more than the time that one takes. @param leastRate of one that is not slow */
export function isStuck(stand: Stand, leastRate: number, now: number): boolean {
  const { awaitsSince = now, blockAt, since, bestRate } = stand;
  // One that is slow itself is compared with itself.
  const least = stand.isSlow ? bestRate * SLOW_PART : leastRate;
  const blockMs = Math.min((MAX_CHUNK_BYTES * 1_000) / least, MAX_BLOCK_MS);
  return now - Math.max(awaitsSince, blockAt, since) >= SILENT_MS + blockMs;
}

/** Whether its holder gives much less than others get, and is what holds it up. */
export function isSlow(stand: Stand, leastRate: number, now: number): boolean {
  const rate = rateOf(stand, now);
  if (stand.isSlow || rate === undefined || rate >= leastRate) return false;
  const { allThereSince = now, since } = stand;
  return isHeldUp(stand, HELD_UP_MS, now) || now - Math.max(allThereSince, since) >= RATE_MS;
}

/** Whether those behind it would get more without this link. */
export function setsPace(stand: Stand, holder: Stand, now: number): boolean {
  const rate = rateOf(stand, now);
  if (rate === undefined || !isHeldUp(stand, HELD_UP_MS, now)) return false;
  return rate < (rateOf(holder, now) ?? 0) * PACE_PART;
}

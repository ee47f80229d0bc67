/** The furthest time that dates can say, in ms before or after the epoch (ECMA-262, "Time Values"). */
const FURTHEST_MS = 8.64e15;

/**
 * ISO 8601 UTC. A clock that is wrong by more than dates can say, or another machine that says so, is shown as the
 * furthest time that they can.
 */
export function iso(ms: number): string {
  return new Date(Math.max(-FURTHEST_MS, Math.min(ms, FURTHEST_MS))).toISOString();
}

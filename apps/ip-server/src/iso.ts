/** The furthest time that dates can say, in ms since the epoch (ECMA-262, "Time Values"). */
const LAST_MS = 8.64e15;

/** ISO 8601 UTC. A clock that is wrong by more than dates can say is shown as the furthest that they can. */
export function iso(ms: number): string {
  return new Date(Math.min(ms, LAST_MS)).toISOString();
}

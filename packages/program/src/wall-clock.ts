/*
 * The clock on the wall in this machine's time zone. What it shows is written as the ms since the epoch at which a clock in
 * UTC shows the same: a number that a change of the offset makes jump.
 */

const DAY_MS = 24 * 3_600_000;

/** What the clock on the wall shows at an instant. */
export function wallClock(instantMs: number): number {
  const at = new Date(instantMs);
  return Date.UTC(
    at.getFullYear(),
    at.getMonth(),
    at.getDate(),
    at.getHours(),
    at.getMinutes(),
    at.getSeconds(),
    at.getMilliseconds(),
  );
}

/**
 * The first instant at which the clock on the wall shows this, or a later time where a change of the offset skips it.
 *
 * @returns undefined on a day that the time zone does not have (Samoa had no 30 December 2011)
 */
export function firstInstantOf(wallMs: number): number | undefined {
  const at = new Date(wallMs);
  // Of a repeated time it is the first, a skipped one is moved on by what is skipped: so says ECMAScript.
  const instantMs = new Date(
    at.getUTCFullYear(),
    at.getUTCMonth(),
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
    at.getUTCMilliseconds(),
  ).getTime();
  const skippedMs = wallClock(instantMs) - wallMs;
  if (skippedMs === 0) return instantMs;
  return skippedMs < DAY_MS ? changeOfOffset(instantMs - skippedMs, instantMs) : undefined;
}

/** The first instant with another offset than `fromMs` has. @param toMs a later one that has another */
export function changeOfOffset(fromMs: number, toMs: number): number {
  const offsetMs = wallClock(fromMs) - fromMs;
  let [before, after] = [fromMs, toMs];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (wallClock(middle) - middle === offsetMs) before = middle;
    else after = middle;
  }
  return after;
}

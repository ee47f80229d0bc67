/**
 * A time as `utimes` keeps it, in s: a number, so it holds microseconds, and half of one more keeps the cut to whole ones
 * from losing one. Before 1901 and after 2242 it holds fewer. Of two times that files can be given, the same one gives
 * the same number.
 */
export function secondsOf(mtimeNs: bigint): number {
  const micros = (mtimeNs - (((mtimeNs % 1000n) + 1000n) % 1000n)) / 1000n;
  return (Number(micros) + 0.5) / 1e6;
}

/** A time for `utimes`: as text, because Node takes a number below 0 for the time it is now. */
export function utimesTime(mtimeNs: bigint): string {
  return String(secondsOf(mtimeNs));
}

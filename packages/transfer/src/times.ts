/**
 * A time for `utimes`: seconds as a number hold microseconds, and half of one more keeps the cut to whole ones
 * from losing one.
 */
export function secondsOf(mtimeNs: bigint): number {
  return (Number(mtimeNs / 1000n) + 0.5) / 1e6;
}

/**
 * The most that each holder may have so that all together have at most `limit`: those with more give way down to it, those
 * with less keep what they have. Infinity while there is enough for all.
 */
export function fairLevel(amounts: Iterable<number>, limit: number): number {
  const ascending = [...amounts].toSorted((a, b) => a - b);
  let left = limit;
  let holders = ascending.length;
  for (const amount of ascending) {
    const level = left / holders;
    if (amount > level) return Math.max(0, Math.floor(level));
    left -= amount;
    holders--;
  }
  return Infinity;
}

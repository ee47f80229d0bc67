import type { Run } from './registry.ts';

/** More are joined, oldest first. */
const MAX_RUNS = 64;

/**
 * The runs of a database, with one that begins now.
 *
 * @param known `undefined` for a database that has kept none yet
 * @param last the newest position that is stored
 */
export function beginRun(known: readonly Run[] | undefined, last: number, from: number): Run[] {
  const ended = known ?? [{ from: 0, to: 0 }];
  const before = ended.map((run, index) => (index === ended.length - 1 ? { from: run.from, to: last } : run));
  const runs = [...before, { from, to: from }];
  const [first, second, ...others] = runs;
  if (runs.length <= MAX_RUNS || first === undefined || second === undefined) return runs;
  return [{ from: first.from, to: second.to }, ...others];
}

/**
 * Whether a database has given out a position. One that is between two runs was given out after the backup that the
 * database was restored from: what was told then is not in the database.
 *
 * @param newest the position of the directory now
 */
export function isGivenOut(runs: readonly Run[], position: number, newest: number): boolean {
  if (position > newest) return false;
  return runs.some(({ from, to }, index) => {
    const end = index === runs.length - 1 ? newest : to;
    return position >= from && position <= end;
  });
}

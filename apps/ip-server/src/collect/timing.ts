import type { Timetable } from '@filer/program';

/** Runs of one collect that come faster would never be done with. */
const SHORTEST_MS = 10_000;

/** What a timetable at its fastest must not go below, in words. */
export const SHORTEST_WORDS = '10s';

/** Whether runs by this timetable leave machines the time to deliver; looks at the next two. */
export function isSlowEnough(timetable: Timetable, now: number): boolean {
  const first = timetable.next(now);
  const second = first === undefined ? undefined : timetable.next(first);
  return first === undefined || second === undefined || second - first >= SHORTEST_MS;
}

/**
 * When the next run is due after a clock that jumped back: not later than the timetable says from now on. What was due
 * within the last hour is not due again, so that a clock that is corrected begins no run twice.
 *
 * @param dueAt as it was decided before the jump
 * @param before what the clock said then
 */
export function dueAfterJump(timetable: Timetable, dueAt: number, before: number, now: number): number {
  const isSmall = before - now <= JUMP_MS && timetable.intervalMs === undefined;
  return Math.min(dueAt, timetable.next(isSmall ? before : now) ?? dueAt);
}

const JUMP_MS = 3_600_000;

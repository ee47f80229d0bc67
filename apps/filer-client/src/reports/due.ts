import { createHash } from 'node:crypto';
import { MAX_DUE_MS, type Due } from '@filer/protocol';
import type { Timetable } from '@filer/program';

/*
 * When a schedule is due. Nothing here reads a clock: a moment is given.
 *
 * A duration (`--every 10m`) is counted by the steady clock: seconds since the machine started, those asleep included,
 * whatever is done to the time of day. What goes by the calendar (`--cron`, `day@18:00`) follows the time of day. Both
 * keep the time of the next run over a restart, and what was missed is made up once, as timers of systemd with
 * `Persistent=true` do: from the last run to now there is either nothing to do or one run.
 *
 * A time of day that jumps forward is time that passed. Where it jumps back, what was done is not done again, unless the
 * schedule would then be silent for more than twice its distance; and from 3 hours on (the bound of Vixie's cron, see cron(8))
 * it is a clock that was wrong before: what was done by it is forgotten.
 */

/** What the clocks say. */
export interface Moment {
  /** Ms since the epoch, by the time of day. */
  readonly wallMs: number;
  /** Ms since the machine started; does not jump and continues during sleep. */
  readonly steadyMs: number;
  /** Names this start of the machine; '' where a system does not tell: then no two are the same. */
  readonly boot: string;
}

/** What a schedule asks for. */
export interface Rule {
  readonly timetable: Timetable;
  /** How much later than others this machine does it, in ms: its jitter. */
  readonly offsetMs: number;
}

/** Where a schedule stands, while the machine runs. */
export type Standing =
  | { readonly by: 'steady'; readonly dueSteadyMs: number }
  | {
      readonly by: 'calendar';
      /** What the calendar asked for until then is dealt with. */
      readonly doneWallMs: number;
      /** What held before the time of day went far back: it holds again when that is corrected. */
      readonly beforeWallMs?: number;
    };

/** Where a schedule stands, for as long as it takes. */
export interface KeptStanding {
  readonly boot: string;
  /** null for one that goes by the calendar. */
  readonly dueSteadyMs: number | null;
  /** The time of day of the next run, as it was thought to be; null for one that goes by the calendar. */
  readonly dueWallMs: number | null;
  /** null for a duration. */
  readonly doneWallMs: number | null;
}

/** From here on a time of day that went back was wrong before: the bound of Vixie's cron. */
const CORRECTION_MS = 3 * 3_600_000;

/** How much of a schedule's distance the jitter takes at most, and how much in all, in ms, unless told otherwise. */
const JITTER_SHARE = 0.1;
const MAX_JITTER_MS = 10_000;

/** The calendar is asked so often for the shortest distance of a schedule. */
const DISTANCES = 12;

/** Where the calendar is asked: any fixed day, so that a jitter stays what it is. A Monday. */
const REFERENCE_MS = Date.UTC(2026, 0, 5);

/** The shortest time from one run to the next, in ms. */
export function shortestDistanceMs(timetable: Timetable): number {
  if (timetable.intervalMs !== undefined) return timetable.intervalMs;
  let shortest = MAX_DUE_MS;
  let at = timetable.next(REFERENCE_MS);
  for (let count = 0; count < DISTANCES && at !== undefined; count++) {
    const next = timetable.next(at);
    if (next !== undefined) shortest = Math.min(shortest, next - at);
    at = next;
  }
  return shortest;
}

/**
 * What a schedule asks of this machine: 500 machines with the same schedule spread over its jitter, each always at the
 * same place.
 *
 * @param jitterMs over how long; by default 10 % of the distance, at most 10 s
 */
export function ruleFor(
  timetable: Timetable,
  jitterMs: number | undefined,
  peerId: string,
  name: string,
): Rule {
  const spreadMs = jitterMs ?? Math.min(MAX_JITTER_MS, shortestDistanceMs(timetable) * JITTER_SHARE);
  const digest = createHash('sha256').update(`${peerId}\n${name}`).digest();
  return { timetable, offsetMs: Math.floor((digest.readUInt32BE(0) / 2 ** 32) * spreadMs) };
}

/** One that begins now: its first run is one distance away. */
export function begin({ timetable, offsetMs }: Rule, now: Moment): Standing {
  const { intervalMs } = timetable;
  return intervalMs === undefined
    ? { by: 'calendar', doneWallMs: now.wallMs }
    : { by: 'steady', dueSteadyMs: now.steadyMs + intervalMs + offsetMs };
}

/** One that is taken up again, after a restart of the program or of the machine. */
export function resume(rule: Rule, kept: KeptStanding, now: Moment): Standing {
  if (rule.timetable.intervalMs === undefined) {
    return { by: 'calendar', doneWallMs: kept.doneWallMs ?? now.wallMs };
  }
  if (kept.dueSteadyMs === null || kept.dueWallMs === null) return begin(rule, now);
  const sameStart = kept.boot !== '' && kept.boot === now.boot;
  const leftMs = sameStart ? kept.dueSteadyMs - now.steadyMs : kept.dueWallMs - now.wallMs;
  return settled(rule, { by: 'steady', dueSteadyMs: now.steadyMs + leftMs }, now);
}

/** What to keep of it. */
export function keep(standing: Standing, now: Moment): KeptStanding {
  if (standing.by === 'calendar')
    return {
      boot: now.boot,
      dueSteadyMs: null,
      dueWallMs: null,
      doneWallMs: standing.beforeWallMs ?? standing.doneWallMs,
    };
  const { dueSteadyMs } = standing;
  const dueWallMs = now.wallMs + (dueSteadyMs - now.steadyMs);
  return { boot: now.boot, dueSteadyMs, dueWallMs: Math.round(dueWallMs), doneWallMs: null };
}

/** The standing in the light of what the clocks say now: neither is ever further ahead than it can be. */
export function settled(rule: Rule, standing: Standing, now: Moment): Standing {
  const { timetable, offsetMs } = rule;
  if (standing.by === 'steady') {
    const latest = now.steadyMs + (timetable.intervalMs ?? 0) + offsetMs;
    return standing.dueSteadyMs <= latest ? standing : { by: 'steady', dueSteadyMs: latest };
  }
  const { doneWallMs, beforeWallMs } = standing;
  if (beforeWallMs !== undefined && beforeWallMs <= now.wallMs)
    return { by: 'calendar', doneWallMs: beforeWallMs };
  if (doneWallMs <= now.wallMs) return standing;
  const forgotten: Standing = {
    by: 'calendar',
    doneWallMs: now.wallMs,
    beforeWallMs: beforeWallMs ?? doneWallMs,
  };
  if (doneWallMs - now.wallMs >= CORRECTION_MS) return forgotten;
  const [first, second] = nextTwo(timetable, now.wallMs);
  const [next] = nextTwo(timetable, doneWallMs);
  return next - now.wallMs > 2 * (second - first) ? forgotten : standing;
}

/** How long until it is due, in ms; 0 or less when it is. @param standing as `settled` gave it */
export function dueInMs({ timetable, offsetMs }: Rule, standing: Standing, now: Moment): number {
  if (standing.by === 'steady') return standing.dueSteadyMs - now.steadyMs;
  return nextTwo(timetable, standing.doneWallMs)[0] + offsetMs - now.wallMs;
}

/** Where it stands once a run has begun at `now`: all that was due until then is made up by it. */
export function taken({ timetable }: Rule, standing: Standing, now: Moment): Standing {
  if (standing.by === 'calendar') return { by: 'calendar', doneWallMs: now.wallMs };
  const intervalMs = timetable.intervalMs ?? 1;
  const missed = Math.max(0, Math.floor((now.steadyMs - standing.dueSteadyMs) / intervalMs));
  return { by: 'steady', dueSteadyMs: standing.dueSteadyMs + (missed + 1) * intervalMs };
}

/**
 * The next report and the third from now, as a server is told.
 *
 * @param running a report is being made; then the standing is the one after it
 */
export function duesOf(rule: Rule, standing: Standing, now: Moment, running: boolean): Due {
  const firstInMs = running ? 0 : Math.max(0, dueInMs(rule, standing, now));
  const afterFirst = running ? standing : taken(rule, standing, later(now, firstInMs));
  const secondInMs = Math.max(firstInMs, dueInMs(rule, afterFirst, now));
  const thirdInMs = dueInMs(rule, taken(rule, afterFirst, later(now, secondInMs)), now);
  return { nextInMs: bounded(firstInMs), thirdInMs: bounded(Math.max(secondInMs, thirdInMs)) };
}

/** The standing of a schedule that this machine now does so much later than before, as its jitter has changed. */
export function shifted(standing: Standing, byMs: number): Standing {
  return standing.by === 'calendar' ? standing : { by: 'steady', dueSteadyMs: standing.dueSteadyMs + byMs };
}

/** What a server is told about one that has no report until then. */
export function notBefore({ nextInMs, thirdInMs }: Due, untilMs: number): Due {
  const leastMs = bounded(Math.max(0, untilMs));
  return { nextInMs: Math.max(nextInMs, leastMs), thirdInMs: Math.max(thirdInMs, leastMs) };
}

function later({ wallMs, steadyMs, boot }: Moment, ms: number): Moment {
  return { wallMs: wallMs + ms, steadyMs: steadyMs + ms, boot };
}

function bounded(ms: number): number {
  return Math.min(MAX_DUE_MS, Math.ceil(ms));
}

/** The first time of the calendar after one, and the one after that; the far future where there is none. */
function nextTwo(timetable: Timetable, afterMs: number): [number, number] {
  const first = timetable.next(afterMs) ?? afterMs + MAX_DUE_MS;
  return [first, timetable.next(first) ?? first + MAX_DUE_MS];
}

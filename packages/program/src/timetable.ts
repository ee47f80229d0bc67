import { FilerError, messageOf } from '@filer/protocol';
import { Cron, CronPattern } from 'croner';
import { parseDuration } from './durations.ts';
import { customKind, type Kind } from './kinds.ts';
import { changeOfOffset, firstInstantOf, wallClock } from './wall-clock.ts';

/** How a timetable is written: as `--every` or `--cron` takes it. */
export interface TimetableText {
  readonly kind: 'every' | 'cron';
  readonly text: string;
}

/**
 * When something is to happen again and again. It knows no clock: times are ms since the epoch, as the caller's clock
 * tells them.
 */
export interface Timetable extends TimetableText {
  /** The distance of one that has the same distance forever, in ms; undefined for one that goes by the calendar. */
  readonly intervalMs: number | undefined;
  /**
   * The first time after `afterMs`, by the calendar of this machine's time zone where it has one.
   *
   * @returns undefined when there is none
   */
  next(afterMs: number): number | undefined;
}

/** Anything more frequent would be a stream, and a report is not a stream. */
const SHORTEST_MS = 1_000;

/** Beyond ten years no one can say what a schedule is for. */
const LONGEST_MS = 3_653 * 24 * 3_600_000;

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const DAILY = /^day@([0-9]{1,2}):([0-9]{2})$/;
const WEEKLY = /^week@([a-z]{3})@([0-9]{1,2}):([0-9]{2})$/;
const HOURLY = /^hour@:?([0-9]{1,2})$/;

/** What a person is told that `--every` takes. */
const EVERY_EXAMPLES = '10m, 6h, hour@:15, day@18:00 or week@mon@18:00';

/**
 * Reads `10m` and other durations, `hour@:15`, `day@18:00`, `week@mon@18:00`.
 *
 * @throws FilerError `usage`
 */
export function parseEvery(text: string): Timetable {
  const pattern = calendarPattern(text);
  if (pattern !== undefined) return { ...calendar(pattern), kind: 'every', text };
  const intervalMs = durationOf(text);
  return { kind: 'every', text, intervalMs, next: (afterMs) => afterMs + intervalMs };
}

/**
 * Reads a cron line of five fields, of six with seconds, or a nickname such as `@daily`.
 *
 * @throws FilerError `usage`
 */
export function parseCron(text: string): Timetable {
  return { ...calendar(text.trim()), kind: 'cron', text };
}

/** From what was kept of one. @throws FilerError `usage` */
export function parseTimetable({ kind, text }: TimetableText): Timetable {
  return kind === 'cron' ? parseCron(text) : parseEvery(text);
}

/** As the value of `--every`. */
export const EVERY: Kind<Timetable> = customKind(EVERY_EXAMPLES, parseEvery, { value: 'interval' });

/** As the value of `--cron`. */
export const CRON: Kind<Timetable> = customKind(
  "a cron line such as '0 18 * * *' (minute, hour, day, month, weekday)",
  parseCron,
  { value: 'line' },
);

/** @returns the cron line of what is written by the calendar, undefined for a duration */
function calendarPattern(text: string): string | undefined {
  const daily = DAILY.exec(text);
  if (daily !== null) return `${Number(daily[2])} ${Number(daily[1])} * * *`;
  const hourly = HOURLY.exec(text);
  if (hourly !== null) return `${Number(hourly[1])} * * * *`;
  const weekly = WEEKLY.exec(text);
  if (weekly === null) return undefined;
  const day = DAYS.findIndex((each) => each === weekly[1]);
  if (day === -1) throw wrong(text, `the days are ${DAYS.join(', ')}`);
  return `${Number(weekly[3])} ${Number(weekly[2])} * * ${day}`;
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms < SHORTEST_MS || ms > LONGEST_MS) throw wrong(text, 'it must be from 1s to 10 years');
  return ms;
}

/** How croner reads a line. */
const MODE = '5-or-6-parts';

function calendar(pattern: string): Pick<Timetable, 'intervalMs' | 'next'> {
  try {
    const { hour } = new CronPattern(pattern, undefined, { mode: MODE });
    const next = hour.every((isIncluded) => isIncluded === 1) ? byElapsedTime(pattern) : byWallClock(pattern);
    if (next(Date.now()) === undefined) throw new RangeError('that time never comes');
    return { intervalMs: undefined, next };
  } catch (error) {
    throw wrong(pattern, messageOf(error), error);
  }
}

/**
 * For a line that includes every hour (`0 * * * *`): the hour that a change of the offset repeats has its runs twice,
 * the hour that it skips has none. So the distance from one run to the next stays the same.
 */
function byElapsedTime(pattern: string): Timetable['next'] {
  const cron = new Cron(pattern, { paused: true, mode: MODE });
  return (afterMs) => cron.nextRun(new Date(afterMs))?.getTime();
}

/**
 * For a line that names hours, whether as one number, a list, a range or a step: each of its times happens once on each
 * day, when the clock on the wall first shows it or a later time. Times that a change of the offset skips come together,
 * right after it. croner itself does so only for a line without steps, and not across midnight (America/Nuuk skips from 23:00
 * to 0:00): here it counts on a clock that never changes, which is then looked up in the time zone.
 */
function byWallClock(pattern: string): Timetable['next'] {
  const cron = new Cron(pattern, { paused: true, mode: MODE, utcOffset: 0 });
  const after = (wallMs: number): number | undefined => cron.nextRun(new Date(wallMs))?.getTime();
  return (afterMs) => {
    let wallMs = after(wallClock(afterMs));
    while (wallMs !== undefined) {
      const instantMs = firstInstantOf(wallMs);
      if (instantMs !== undefined && instantMs > afterMs) return instantMs;
      // A day that the time zone does not have; or `afterMs` is in a repeated hour, which is skipped as a whole.
      const seenMs = instantMs === undefined ? wallMs : wallClock(changeOfOffset(instantMs, afterMs) - 1);
      wallMs = after(Math.max(wallMs, seenMs));
    }
    return undefined;
  };
}

function wrong(text: string, why: string, cause?: unknown): FilerError {
  return new FilerError('usage', `${JSON.stringify(text)} is no timetable: ${why}`, { cause });
}

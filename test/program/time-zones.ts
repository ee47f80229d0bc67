import { expect } from 'vitest';
import { parseCron } from '@filer/program';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Lines that name hours in all the ways there are, with times in and around each hour that a zone skips or repeats. */
const NAMED_HOURS = [
  ...[
    '30 2 * * *',
    '0 2,14 * * *',
    '15,45 2 * * *',
    '30 1,2 * * *',
    '*/15 2 * * *',
    '0 2-23/12 * * *',
    '0 */2 * * *',
  ],
  ...[
    '30 23 * * *',
    '0 0 * * *',
    '*/20 0 * * *',
    '10 0,1,23 * * *',
    '0-40/20 21-23 * * *',
    '15 1-3 * * *',
    '45 */23 * * *',
  ],
  ...['30 0 L * *', '30 23 * * sat,sun', '0 2 * * 0#L', '5 1 1-31 * *', '0 2 15W * *'],
];

/** Lines that include every hour. */
const EVERY_HOUR = ['*/15 * * * *', '0 * * * *', '45 */1 * * *', '20,50 0-23 * * *'];

/** Runs `work` with another time zone. */
export function inZone<T>(zone: string, work: () => T): T {
  const before = process.env['TZ'];
  process.env['TZ'] = zone;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
}

/** Instants of a zone whose offset differs from that of the minute before, between two years, in ms. */
export function changesOf(zone: string, fromYear: number, toYear: number): number[] {
  return inZone(zone, () => {
    const offset = (ms: number): number => new Date(ms).getTimezoneOffset();
    const changes: number[] = [];
    const end = Date.UTC(toYear, 0);
    for (let day = Date.UTC(fromYear, 0); day < end; day += DAY_MS) {
      if (offset(day) === offset(day + DAY_MS)) continue;
      let [before, after] = [day, day + DAY_MS];
      while (after - before > MINUTE_MS) {
        const middle = before + Math.floor((after - before) / MINUTE_MS / 2) * MINUTE_MS;
        if (offset(middle) === offset(day)) before = middle;
        else after = middle;
      }
      changes.push(after);
    }
    return changes;
  });
}

/** What the clock on the wall shows each minute, as ICU knows it: not as this process's own time zone does. */
function walls(zone: string, fromMs: number, toMs: number): { atMs: number; wallMs: number }[] {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric' },
  });
  const count = (toMs - fromMs) / MINUTE_MS;
  return Array.from({ length: count }, (_, minute) => {
    const atMs = fromMs + minute * MINUTE_MS;
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? Number.NaN;
    return {
      atMs,
      wallMs: Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute')),
    };
  });
}

/** The times that a line asks for on a clock that never changes. */
function timesOnTheWall(line: string, fromMs: number, toMs: number): number[] {
  return inZone('UTC', () => runs(line, fromMs, toMs));
}

function runs(line: string, fromMs: number, toMs: number): number[] {
  const timetable = parseCron(line);
  const found: number[] = [];
  for (let at = timetable.next(fromMs); at !== undefined && at < toMs; at = timetable.next(at))
    found.push(at);
  return found;
}

/**
 * Two days before and after a change of the offset: each time of a line that names hours has its run at the first minute
 * at which the wall shows it or a later one; a line with every hour is run whenever the wall shows one of its times.
 */
export function expectRightRuns(zone: string, changeMs: number): void {
  const [fromMs, toMs] = [changeMs - 2 * DAY_MS, changeMs + 2 * DAY_MS];
  const minutes = walls(zone, fromMs, toMs);
  const wallAt = new Map(minutes.map(({ atMs, wallMs }) => [atMs, wallMs]));
  const days = new Set(minutes.map(({ wallMs }) => Math.floor(wallMs / DAY_MS)));
  const [wallFrom, wallTo] = [minutes[0]?.wallMs ?? 0, minutes.at(-1)?.wallMs ?? 0];
  const firstAt = new Map<number, number>();
  let highest = wallFrom;
  for (const { atMs, wallMs } of minutes) {
    for (; highest <= wallMs; highest += MINUTE_MS) firstAt.set(highest, atMs);
  }
  for (const line of NAMED_HOURS) {
    const wanted = timesOnTheWall(line, wallFrom, wallTo).filter((wall) =>
      days.has(Math.floor(wall / DAY_MS)),
    );
    const instants = new Set(wanted.map((wall) => firstAt.get(wall)));
    expect({ line, runs: shown(inZone(zone, () => runs(line, fromMs, toMs - MINUTE_MS))) }).toEqual({
      line,
      runs: shown([...instants]),
    });
  }
  for (const line of EVERY_HOUR) {
    const times = new Set(timesOnTheWall(line, wallFrom - 1, wallTo + 1));
    const instants = minutes
      .slice(1, -1)
      .flatMap(({ atMs }) => (times.has(wallAt.get(atMs) ?? 0) ? [atMs] : []));
    expect({ line, runs: shown(inZone(zone, () => runs(line, fromMs, toMs - MINUTE_MS))) }).toEqual({
      line,
      runs: shown(instants),
    });
  }
}

function shown(instants: readonly (number | undefined)[]): string[] {
  return instants.map((at) => (at === undefined ? 'never' : new Date(at).toISOString()));
}

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCron, parseEvery, type Timetable } from '@filer/program';
import {
  begin,
  dueInMs,
  duesOf,
  keep,
  resume,
  ruleFor,
  settled,
  shortestDistanceMs,
  taken,
  type Moment,
  type Rule,
  type Standing,
} from '../../../apps/filer-client/src/reports/due.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A Monday, at 10:00 by this machine's calendar. */
const START: Moment = { wallMs: new Date('2026-03-02T10:00:00').getTime(), steadyMs: 5 * HOUR, boot: 'a' };

/** A machine with one schedule: clocks that a test turns, and the runs that came of it, as time of day. */
class Machine {
  readonly runs: string[] = [];
  readonly rule: Rule;
  now = START;
  standing: Standing;

  constructor(timetable: Timetable, offsetMs = 0) {
    this.rule = { timetable, offsetMs };
    this.standing = begin(this.rule, this.now);
  }

  /** Time passes while the program looks every 15 s. */
  wait(ms: number): this {
    for (let left = ms; left > 0; left -= 15 * SECOND) {
      this.sleep(Math.min(left, 15 * SECOND));
      this.look();
    }
    return this;
  }

  /** Time passes, and nothing looks. */
  sleep(ms: number): this {
    this.now = { ...this.now, wallMs: this.now.wallMs + ms, steadyMs: this.now.steadyMs + ms };
    return this;
  }

  /** Somebody sets the clock. */
  setClock(byMs: number): this {
    this.now = { ...this.now, wallMs: this.now.wallMs + byMs };
    this.look();
    return this;
  }

  /** The program ends and starts again; the machine, too, if its start has another name. */
  restart(boot = this.now.boot): this {
    const kept = keep(this.standing, this.now);
    if (boot !== this.now.boot) this.now = { ...this.now, steadyMs: 30 * SECOND, boot };
    return this.takeUp(kept);
  }

  takeUp(kept: ReturnType<typeof keep>): this {
    this.standing = resume(this.rule, kept, this.now);
    this.look();
    return this;
  }

  look(): void {
    this.standing = settled(this.rule, this.standing, this.now);
    if (dueInMs(this.rule, this.standing, this.now) > 0) return;
    const at = new Date(this.now.wallMs);
    this.runs.push(`${at.getDate()} ${at.toTimeString().slice(0, 8)}`);
    this.standing = taken(this.rule, this.standing, this.now);
  }

  get dueInMs(): number {
    return dueInMs(this.rule, this.standing, this.now);
  }
}

test('every 10 minutes is every 10 minutes, and does not drift by how late the program looks', () => {
  const machine = new Machine(parseEvery('10m'));
  machine.wait(9 * MINUTE + 50 * SECOND);
  expect(machine.runs).toEqual([]);
  machine.sleep(17 * SECOND).look();
  expect(machine.dueInMs).toBe(9 * MINUTE + 53 * SECOND);
  machine.wait(9 * MINUTE + 53 * SECOND);
  expect(machine.runs).toEqual(['2 10:10:07', '2 10:20:00']);
});

test.each([
  ['10m', '2 20:25:00'],
  ['day@12:00', '2 20:25:00'],
])('what %s missed while the machine slept is made up once', (every, madeUp) => {
  const machine = new Machine(parseEvery(every)).sleep(10 * HOUR + 25 * MINUTE);
  machine.look();
  expect(machine.runs).toEqual([madeUp]);
  machine.wait(4 * MINUTE);
  expect(machine.runs).toEqual([madeUp]);
  machine.wait(2 * MINUTE);
  expect(machine.runs.length).toBe(every === '10m' ? 2 : 1);
});

test.each([
  ['forward', 40 * DAY],
  ['back', -40 * DAY],
  ['forward', 7 * MINUTE],
  ['back', -7 * MINUTE],
])('a duration does not notice that the time of day jumps %s by %i ms', (_, byMs) => {
  const machine = new Machine(parseEvery('10m'))
    .wait(5 * MINUTE)
    .setClock(byMs)
    .wait(4 * MINUTE);
  expect(machine.runs).toEqual([]);
  machine.wait(11 * MINUTE + 30 * SECOND);
  expect(machine.runs.length).toBe(2);
});

test.each([
  ['day@18:00', 1],
  ['hour@:15', 1],
  ['10m', 0],
])('a clock that jumps forward by a year fires %s %i times, and goes on from there', (every, fired) => {
  const machine = new Machine(parseEvery(every)).setClock(365 * DAY);
  expect(machine.runs.length).toBe(fired);
  machine.wait(25 * HOUR);
  expect(machine.runs.length).toBe(fired + (every === 'day@18:00' ? 1 : every === '10m' ? 150 : 25));
});

test('a daily report is not made again when the clock goes back by less than 3 hours', () => {
  const machine = new Machine(parseEvery('day@18:00')).wait(8 * HOUR + 30 * MINUTE);
  expect(machine.runs).toEqual(['2 18:00:00']);
  machine.setClock(-2 * HOUR).wait(25 * HOUR);
  expect(machine.runs).toEqual(['2 18:00:00']);
  machine.wait(HOUR);
  expect(machine.runs).toEqual(['2 18:00:00', '3 18:00:00']);
});

test('a clock that goes back by 3 hours or more was wrong before: the new time counts at once', () => {
  const machine = new Machine(parseEvery('day@18:00')).wait(8 * HOUR + 30 * MINUTE);
  machine.setClock(-300 * DAY);
  expect(machine.dueInMs).toBeLessThanOrEqual(DAY);
  machine.wait(DAY);
  expect(machine.runs.length).toBe(2);
});

test('a schedule of every few minutes does not fall silent when the clock goes back by 2 hours', () => {
  const machine = new Machine(parseCron('*/10 * * * *')).wait(HOUR + SECOND).setClock(-2 * HOUR);
  expect(machine.dueInMs).toBeLessThanOrEqual(10 * MINUTE);
  machine.runs.length = 0;
  machine.wait(HOUR);
  expect(machine.runs.length).toBe(6);
});

test('the minute that a small correction of the clock repeats is not reported twice', () => {
  const machine = new Machine(parseCron('* * * * *')).wait(MINUTE);
  expect(machine.runs).toEqual(['2 10:01:00']);
  machine.setClock(-10 * SECOND).wait(50 * SECOND);
  expect(machine.runs).toEqual(['2 10:01:00']);
  machine.wait(20 * SECOND);
  expect(machine.runs).toEqual(['2 10:01:00', '2 10:02:00']);
});

test('a machine without a clock of its own, that begins in 1970 each time, makes no report of that', () => {
  const machine = new Machine(parseEvery('day@18:00')).wait(9 * HOUR);
  expect(machine.runs).toEqual(['2 18:00:00']);
  const kept = keep(machine.standing, machine.now);
  machine.now = { wallMs: 20 * SECOND, steadyMs: 20 * SECOND, boot: 'b' };
  machine.takeUp(kept).wait(MINUTE);
  expect(keep(machine.standing, machine.now).doneWallMs).toBe(kept.doneWallMs);
  // The network then tells the time: 20:00 of that day.
  machine.setClock(START.wallMs + 10 * HOUR - machine.now.wallMs).wait(21 * HOUR);
  expect(machine.runs).toEqual(['2 18:00:00']);
  machine.wait(HOUR);
  expect(machine.runs).toEqual(['2 18:00:00', '3 18:00:00']);
});

test.each(['10m', 'day@12:00'])('the time of the next run of %s is kept over a restart', (every) => {
  const machine = new Machine(parseEvery(every)).wait(7 * MINUTE);
  const before = machine.dueInMs;
  expect(machine.restart().dueInMs).toBe(before);
  expect(machine.restart('b').dueInMs).toBe(before);
});

test.each(['10m', 'day@12:00'])('what %s missed while the program was down is made up once', (every) => {
  const machine = new Machine(parseEvery(every));
  const kept = keep(machine.standing, machine.now);
  machine.sleep(30 * HOUR).takeUp(kept);
  expect(machine.runs.length).toBe(1);
  machine.wait(MINUTE);
  expect(machine.runs.length).toBe(1);
  machine.now = { ...machine.now, steadyMs: 10 * SECOND, boot: 'after a power cut' };
  machine.takeUp(keep(machine.standing, machine.now));
  expect(machine.runs.length).toBe(1);
});

test('a machine that starts with a clock far behind waits one distance at most', () => {
  const machine = new Machine(parseEvery('10m'), 3 * SECOND);
  const kept = keep(machine.standing, machine.now);
  machine.now = { wallMs: 0, steadyMs: 20 * SECOND, boot: 'b' };
  expect(machine.takeUp(kept).dueInMs).toBe(10 * MINUTE + 3 * SECOND);
});

test('a system that does not name its starts goes by the time of day', () => {
  const machine = new Machine(parseEvery('10m'));
  machine.now = { ...machine.now, boot: '' };
  const kept = keep(machine.standing, machine.now);
  machine.now = { wallMs: machine.now.wallMs + 4 * MINUTE, steadyMs: 0, boot: '' };
  expect(machine.takeUp(kept).dueInMs).toBe(6 * MINUTE);
});

test('a server is told the next report and the third', () => {
  const rule = { timetable: parseEvery('10m'), offsetMs: 2 * SECOND };
  const standing = begin(rule, START);
  const first = 10 * MINUTE + 2 * SECOND;
  expect(duesOf(rule, standing, START, false)).toEqual({ nextInMs: first, thirdInMs: first + 20 * MINUTE });
  const late = { ...START, wallMs: START.wallMs + 25 * MINUTE, steadyMs: START.steadyMs + 25 * MINUTE };
  // Due at 10:10:02, it is 10:25: the second is due at 10:30:02, the third at 10:40:02.
  const third = 15 * MINUTE + 2 * SECOND;
  expect(duesOf(rule, standing, late, false)).toEqual({ nextInMs: 0, thirdInMs: third });
  expect(duesOf(rule, taken(rule, standing, late), late, true)).toEqual({ nextInMs: 0, thirdInMs: third });
});

test('a server is told about the calendar, too, up to ten years ahead', () => {
  const daily = { timetable: parseEvery('day@18:00'), offsetMs: 5 * SECOND };
  const first = 8 * HOUR + 5 * SECOND;
  const told = duesOf(daily, begin(daily, START), START, false);
  expect(told).toEqual({ nextInMs: first, thirdInMs: first + 2 * DAY });
  const leap = { timetable: parseCron('0 0 29 2 *'), offsetMs: 0 };
  const year2025 = { ...START, wallMs: new Date('2025-03-02T10:00:00').getTime() };
  expect(duesOf(leap, begin(leap, year2025), year2025, false).thirdInMs).toBe(3_653 * DAY);
});

test.each([
  ['10m', 10 * SECOND],
  ['30s', 3 * SECOND],
  ['day@18:00', 10 * SECOND],
  ['week@mon@18:00', 10 * SECOND],
])(
  '500 machines with a report every %s spread evenly over %i ms, each always at its place',
  (every, spreadMs) => {
    const timetable = parseEvery(every);
    const ids = Array.from({ length: 500 }, (_, n) => createHash('sha256').update(String(n)).digest('hex'));
    const offsets = ids.map((id) => ruleFor(timetable, undefined, id, 'disk').offsetMs);
    expect(offsets).toEqual(ids.map((id) => ruleFor(timetable, undefined, id, 'disk').offsetMs));
    for (const offset of offsets) expect(offset).toBeLessThan(spreadMs);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const offset of offsets) {
      const tenth = Math.floor((offset * 10) / spreadMs);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(Math.max(...tenths)).toBeLessThanOrEqual(85); // 50 on average
  },
);

test('two schedules of one machine do not share their place, and a jitter of 0 means no jitter', () => {
  const timetable = parseEvery('1h');
  const places = ['disk', 'load', 'net', 'cpu'].map(
    (name) => ruleFor(timetable, undefined, 'ID', name).offsetMs,
  );
  expect(new Set(places).size).toBeGreaterThan(2);
  expect(ruleFor(timetable, 0, 'ID', 'disk').offsetMs).toBe(0);
  const wide = ['disk', 'load', 'net', 'cpu'].map(
    (name) => ruleFor(timetable, HOUR / 2, 'ID', name).offsetMs,
  );
  expect(Math.max(...wide)).toBeGreaterThan(10 * SECOND);
});

test.each([
  ['* * * * *', MINUTE],
  ['*/5 * * * * *', 5 * SECOND],
  ['0 9,10 * * *', HOUR],
  ['0 18 * * *', DAY],
])('the shortest distance of %s is %i ms', (cron, ms) => {
  expect(shortestDistanceMs(parseCron(cron))).toBe(ms);
});

type Turn = (machine: Machine) => void;

/** What may happen to a machine and its clocks. */
const turns: fc.Arbitrary<Turn> = fc.oneof(
  fc.integer({ min: 1, max: 3 * HOUR }).map(
    (ms): Turn =>
      (machine) =>
        void machine.wait(ms),
  ),
  fc.integer({ min: 1, max: 3 * DAY }).map(
    (ms): Turn =>
      (machine) =>
        machine.sleep(ms).look(),
  ),
  fc.integer({ min: -400 * DAY, max: 400 * DAY }).map(
    (ms): Turn =>
      (machine) =>
        void machine.setClock(ms),
  ),
  fc.integer({ min: -3 * HOUR, max: 3 * HOUR }).map(
    (ms): Turn =>
      (machine) =>
        void machine.setClock(ms),
  ),
  fc.constantFrom('a', 'b').map(
    (boot): Turn =>
      (machine) =>
        void machine.restart(boot),
  ),
);

test.each([
  ['10m', 10 * MINUTE],
  ['hour@:15', HOUR],
  ['6h', 6 * HOUR],
])(
  'whatever was done to clocks and machine, %s is neither silent nor a storm from then on',
  (every, gapMs) => {
    fc.assert(
      fc.property(fc.array(turns, { maxLength: 12 }), (history) => {
        const machine = new Machine(parseEvery(every), 2 * SECOND);
        for (const turn of history) {
          const before = machine.runs.length;
          turn(machine);
          machine.look();
          const after = machine.runs.length;
          machine.look();
          expect(machine.runs.length).toBe(after); // nothing is due twice in one moment
          expect(after - before).toBeLessThanOrEqual(Math.ceil((3 * HOUR) / gapMs) + 2);
        }
        machine.runs.length = 0;
        machine.wait(2 * gapMs + MINUTE);
        expect(machine.runs.length).toBeGreaterThanOrEqual(1);
        machine.runs.length = 0;
        machine.wait(5 * gapMs);
        expect(machine.runs.length).toBeGreaterThanOrEqual(4);
        expect(machine.runs.length).toBeLessThanOrEqual(6);
      }),
      { numRuns: 20 },
    );
  },
);

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  createLogger,
  KeptClock,
  parseTrust,
  TrustedClock,
  type ClockReading,
  type SavedTrust,
} from '@filer/program';
import { FilerError } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const NOW = Date.UTC(2026, 10, 1);

afterEach(() => void vi.useRealTimers());

/** A machine whose clocks a test sets. */
class Machine {
  wallMs = NOW;
  steadyMs = 1_000;
  boot = 'first';

  clock(saved?: SavedTrust | number): TrustedClock {
    return new TrustedClock(
      (): ClockReading => ({ wallMs: this.wallMs, steadyMs: this.steadyMs, boot: this.boot }),
      saved,
    );
  }

  /** Both clocks continue. */
  pass(ms: number): void {
    this.wallMs += ms;
    this.steadyMs += ms;
  }

  /** The same while a program looks at its clock. */
  run(clock: TrustedClock, ms: number): void {
    for (let leftMs = ms; leftMs > 0; leftMs -= MINUTE_MS) {
      this.pass(Math.min(leftMs, MINUTE_MS));
      clock.now();
    }
  }

  /** The machine was off; its clock says afterwards that so much has passed. */
  start(aheadMs: number): void {
    this.boot += '+';
    this.steadyMs = 10;
    this.wallMs += aheadMs;
  }
}

test('a clock that nothing disturbs is believed', () => {
  const machine = new Machine();
  const clock = machine.clock();
  machine.pass(400 * DAY_MS);

  expect([clock.now(), clock.stamp(), clock.doubtMs]).toEqual([machine.wallMs, machine.wallMs, 0]);
});

test('a jump ahead of a clock that runs makes nothing old at once', () => {
  const machine = new Machine();
  const clock = machine.clock();
  machine.pass(DAY_MS);
  machine.wallMs += 40 * DAY_MS;

  expect([clock.now(), clock.doubtMs]).toEqual([NOW + DAY_MS, 40 * DAY_MS]);
});

test.each([
  ['another start of the machine', 'another'],
  ['the same start', 'first'],
  ['a system that does not name its starts', ''],
])('a clock two years ahead at one start of the program makes nothing old, after %s', (_what, boot) => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.boot = boot;
  machine.wallMs += 2 * YEAR_MS;
  const wrong = machine.clock(saved);
  machine.run(wrong, HOUR_MS);
  expect(wrong.now()).toBe(NOW + 4 * HOUR_MS);
  const again = wrong.save();
  machine.wallMs = NOW + HOUR_MS;

  const right = machine.clock(again);
  expect([right.now(), right.doubtMs]).toEqual([machine.wallMs, 0]);
});

test('a clock that jumps while its machine sleeps or its program is stopped makes nothing old', () => {
  const machine = new Machine();
  const clock = machine.clock();
  const saved = clock.save();
  machine.pass(3 * DAY_MS);
  machine.wallMs += YEAR_MS;

  expect([clock.now(), machine.clock(saved).now()]).toEqual([NOW + 3 * DAY_MS, NOW + 3 * DAY_MS]);
});

test('what has passed while the program was stopped has passed, where the machine was not', () => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.pass(40 * DAY_MS);

  expect(machine.clock(saved).now()).toBe(NOW + 40 * DAY_MS);
});

test('a machine that was off for forty days believes its clock after a third of that without another machine', () => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.start(40 * DAY_MS);
  const clock = machine.clock(saved);
  expect(clock.now()).toBe(NOW);
  machine.run(clock, 10 * DAY_MS);
  expect(clock.doubtMs).toBeGreaterThan(0);
  machine.run(clock, 4 * DAY_MS);

  expect([clock.now(), clock.doubtMs]).toEqual([machine.wallMs, 0]);
});

test('a machine that runs six hours a day keeps up with the calendar', () => {
  const machine = new Machine();
  let clock = machine.clock();
  for (let day = 0; day < 100; day++) {
    machine.run(clock, 6 * HOUR_MS + 1);
    const saved = clock.save();
    machine.start(18 * HOUR_MS - 1);
    clock = machine.clock(saved);
  }

  expect(machine.wallMs - clock.now()).toBeLessThan(2 * DAY_MS);
});

test('a clock that another machine confirms is believed at once, also when it jumps afterwards to what that one said', () => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.start(40 * DAY_MS);
  const off = machine.clock(saved);
  off.witness('server', machine.wallMs + 1_000);
  expect([off.now(), off.doubtMs]).toEqual([machine.wallMs, 0]);

  const late = machine.clock(saved);
  const truth = machine.wallMs;
  machine.wallMs -= 400 * DAY_MS;
  late.witness('server', truth);
  machine.wallMs = truth;
  machine.pass(2_000);
  expect(late.now()).toBe(truth + 2_000);
});

test('a clock that other machines contradict is not believed however long it runs', () => {
  const machine = new Machine();
  const clock = machine.clock();
  machine.wallMs += 40 * DAY_MS;
  for (const id of ['a', 'b', 'c']) clock.witness(id, NOW);
  machine.run(clock, 20 * DAY_MS);

  expect(clock.now()).toBe(NOW + 20 * DAY_MS);
});

test('half of the other machines do not confirm a clock; more do, and the newest word of each counts', () => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.start(40 * DAY_MS);
  const clock = machine.clock(saved);
  clock.witness('wrong', NOW);
  clock.witness('a', machine.wallMs);
  clock.witness('a', machine.wallMs);
  expect(clock.now()).toBe(NOW);
  clock.witness('b', machine.wallMs);

  expect(clock.now()).toBe(machine.wallMs);
});

test('what is kept while the clock is in 1970 is not old when the clock is right again', () => {
  const machine = new Machine();
  const saved = machine.clock().save();
  machine.start(0);
  machine.wallMs = 0;
  const clock = machine.clock(saved);
  const stamp = clock.stamp();
  machine.run(clock, 10 * MINUTE_MS);
  expect(clock.now()).toBe(machine.wallMs);
  const later = clock.stamp();
  machine.wallMs = NOW + DAY_MS;

  expect(stamp).toBe(NOW);
  expect(later).toBeGreaterThan(NOW - DAY_MS);
  expect(clock.now() - later).toBeLessThan(DAY_MS);
});

test('a clock that was believed and was ahead is given up for one that is behind', () => {
  const machine = new Machine();
  machine.wallMs = NOW + 10 * DAY_MS;
  const clock = machine.clock();
  machine.wallMs = NOW;
  expect(clock.now()).toBe(NOW);
  machine.run(clock, DAY_MS / 4);
  expect([clock.now(), clock.stamp()]).toEqual([machine.wallMs, machine.wallMs]);
});

test('what is stored is read again, and anything else is as nothing', () => {
  const trust = new Machine().clock().save();

  expect(parseTrust(JSON.stringify(trust))).toEqual(trust);
  for (const wrong of [
    undefined,
    '',
    '{',
    '{"timeMs":-1,"steadyMs":1,"boot":""}',
    '{"timeMs":"1"}',
    '[]',
    'null',
  ])
    expect(parseTrust(wrong)).toBeUndefined();
});

test('that a clock is doubted is logged once, and again that it is believed; the time is stored at once, each hour and at the end', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const stream = new PassThrough();
  const written = text(stream);
  const log = await createLogger({ stream, format: 'json' });
  const machine = new Machine();
  const clock = machine.clock();
  const saved: number[] = [];
  machine.wallMs += 40 * DAY_MS;
  const kept = new KeptClock({
    clock,
    save: ({ steadyMs }) => {
      saved.push(steadyMs);
      if (saved.length === 1) throw new FilerError('no-space', 'the disk is full');
    },
    log,
  });
  for (let minute = 1; minute <= 90; minute++) {
    machine.pass(60_000);
    if (minute === 30) machine.wallMs -= 40 * DAY_MS;
    await vi.advanceTimersByTimeAsync(60_000);
  }
  await kept.close();
  stream.end();

  const lines = (await written)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: string; ahead?: string });
  expect(lines.map(({ level, ahead }) => [level, ahead])).toEqual([
    ['warn', '40d'],
    ['info', undefined],
  ]);
  expect(saved.map((at) => (at - 1_000) / 60_000)).toEqual([0, 1, 61, 90]);
});

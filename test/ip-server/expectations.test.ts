import type { AnnouncedSchedule } from '@filer/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { Expectations } from '../../apps/ip-server/src/reports/expectations.ts';
import { SteadyClock, type MachineClocks } from '../../apps/ip-server/src/reports/steady-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function nightly(more: Partial<AnnouncedSchedule> = {}): AnnouncedSchedule {
  return { name: 'nightly', nextInMs: HOUR, thirdInMs: 3 * HOUR, always: false, ...more };
}

/** A server's view of one machine, at times that the test says. */
class Watched {
  readonly expectations: Expectations;
  /** What the wall's clock is ahead of the steady one. */
  wallAhead = 1_000_000_000;

  constructor(heldUntil = 0) {
    this.expectations = new Expectations([], heldUntil);
  }

  at(steady: number): { steady: number; time: number } {
    return { steady, time: steady + this.wallAhead };
  }

  announce(steady: number, ...schedules: AnnouncedSchedule[]): void {
    this.expectations.apply(this.expectations.announced('NAS', schedules, this.at(steady)));
  }

  report(steady: number, nextInMs = HOUR, thirdInMs = 3 * HOUR): string[] {
    const due = { nextInMs, thirdInMs };
    const change = this.expectations.reported([{ peer: 'NAS', schedule: 'nightly', due }], this.at(steady));
    this.expectations.apply(change);
    return change.events.map(({ event }) => event);
  }

  /** @returns the events that were found */
  judge(steady: number): string[] {
    const change = this.expectations.judged(this.at(steady));
    this.expectations.apply(change);
    return change.events.map(({ event }) => event);
  }

  get state(): string | undefined {
    return this.expectations.get('NAS', 'nightly')?.state;
  }
}

describe('a schedule of every hour', () => {
  let nas: Watched;
  beforeEach(() => {
    nas = new Watched();
    nas.announce(0, nightly());
  });

  test('is late once it is due for longer than a tenth of its interval, and missing after the third', () => {
    nas.judge(HOUR + 6 * MINUTE);
    expect(nas.state).toBe('ok');
    expect(nas.judge(HOUR + 6 * MINUTE + 1)).toEqual([]);
    expect(nas.state).toBe('late');
    expect(nas.judge(3 * HOUR + 6 * MINUTE)).toEqual([]);
    expect(nas.judge(3 * HOUR + 6 * MINUTE + 1)).toEqual(['missing']);
    expect(nas.state).toBe('missing');
    expect(nas.judge(30 * HOUR)).toEqual([]);
  });

  test('is late for as long as its own grace says', () => {
    nas.announce(0, nightly({ graceMs: 0 }));
    nas.judge(HOUR);
    expect(nas.state).toBe('ok');
    nas.judge(HOUR + 1);
    expect(nas.state).toBe('late');
  });

  test('has a minute of grace at the least', () => {
    nas.announce(0, nightly({ nextInMs: 1_000, thirdInMs: 3_000 }));
    nas.judge(1_000 + MINUTE);
    expect(nas.state).toBe('ok');
    nas.judge(1_000 + MINUTE + 1);
    expect(nas.state).toBe('late');
  });

  test('is back with a report, told once, and only when it was missing', () => {
    nas.judge(2 * HOUR);
    expect(nas.state).toBe('late');
    expect(nas.report(2 * HOUR)).toEqual([]);
    expect(nas.state).toBe('ok');
    expect(nas.judge(6 * HOUR)).toEqual(['missing']);
    expect(nas.report(6 * HOUR)).toEqual(['back']);
    expect(nas.report(6 * HOUR)).toEqual([]);
  });

  test('of several reports at once the last says when the next is due', () => {
    nas.judge(10 * HOUR);
    const moment = nas.at(10 * HOUR);
    const of = (nextInMs: number) => ({
      peer: 'NAS',
      schedule: 'nightly',
      due: { nextInMs, thirdInMs: nextInMs + 2 * HOUR },
    });
    const change = nas.expectations.reported([of(5), of(6), of(7 * MINUTE)], moment);
    nas.expectations.apply(change);

    expect(change.events.map(({ event }) => event)).toEqual(['back']);
    expect(nas.expectations.of('NAS')).toEqual([
      expect.objectContaining({ state: 'ok', dueAt: 10 * HOUR + 7 * MINUTE, reportedAt: moment.time }),
    ]);
  });

  test('what is announced again before it is due says when it is due', () => {
    nas.announce(HOUR / 2, nightly({ nextInMs: 2 * HOUR, thirdInMs: 6 * HOUR }));
    nas.judge(2.5 * HOUR);
    expect(nas.state).toBe('ok');
    expect(nas.judge(6 * HOUR)).toEqual([]);
    expect(nas.judge(7 * HOUR)).toEqual(['missing']);
  });

  test('however often its machine announces it, what is due stays due until there is a report', () => {
    for (let at = HOUR + 1; at <= 3 * HOUR; at += MINUTE) {
      nas.announce(at, nightly({ nextInMs: 0 }));
      expect(nas.judge(at)).toEqual([]);
    }
    expect(nas.state).toBe('late');
    nas.announce(3 * HOUR + 6 * MINUTE, nightly());
    expect(nas.judge(3 * HOUR + 6 * MINUTE + 1)).toEqual(['missing']);
    nas.announce(4 * HOUR, nightly());
    expect(nas.state).toBe('missing');
    expect(nas.report(4 * HOUR)).toEqual(['back']);
    nas.judge(5 * HOUR);
    expect(nas.state).toBe('ok');
  });

  test('what is due and is announced with shorter intervals is missing sooner', () => {
    nas.announce(HOUR + 1, nightly({ nextInMs: 0, thirdInMs: 10 * MINUTE, graceMs: 0 }));
    expect(nas.judge(HOUR + 10 * MINUTE + 2)).toEqual(['missing']);
  });

  test('a server that was away believes the first announcement, and no second one', () => {
    nas.expectations.hold(10 * HOUR + 2 * MINUTE);
    nas.announce(10 * HOUR, nightly({ nextInMs: MINUTE }));
    expect(nas.judge(10 * HOUR + 3 * MINUTE)).toEqual([]);
    expect(nas.state).toBe('ok');
    nas.announce(10 * HOUR + 3 * MINUTE, nightly());
    nas.judge(11 * HOUR);
    expect(nas.state).toBe('late');
  });

  test('what is no longer announced is no longer expected', () => {
    nas.announce(HOUR, nightly({ name: 'other' }));
    expect(nas.judge(10 * HOUR)).toEqual(['missing']);
    expect(nas.expectations.of('NAS').map(({ schedule }) => schedule)).toEqual(['other']);
    nas.announce(11 * HOUR);
    expect(nas.expectations.of('NAS')).toEqual([]);
  });

  test('a report of a schedule that no one announced, or that says nothing of the next one, changes no state', () => {
    const unknown = { peer: 'NAS', schedule: 'unknown', due: { nextInMs: 1, thirdInMs: 3 } };
    expect(nas.expectations.reported([unknown], nas.at(1)).kept).toEqual([]);
    nas.judge(10 * HOUR);
    nas.expectations.apply(
      nas.expectations.reported([{ peer: 'NAS', schedule: 'nightly', due: undefined }], nas.at(10 * HOUR)),
    );

    expect(nas.expectations.get('NAS', 'nightly')).toMatchObject({
      state: 'missing',
      reportedAt: 1_036_000_000,
    });
  });

  test('of a machine that said goodbye nothing is expected until it is there again', () => {
    nas.expectations.apply(nas.expectations.stopped('NAS'));
    expect(nas.judge(100 * HOUR)).toEqual([]);
    expect(nas.state).toBe('ok');
    nas.announce(100 * HOUR, nightly());
    expect(nas.judge(100 * HOUR)).toEqual([]);
    nas.judge(102 * HOUR);
    expect(nas.state).toBe('late');
    expect(nas.judge(110 * HOUR)).toEqual(['missing']);
  });

  test('unless its schedule says that reports are expected always', () => {
    nas.announce(0, nightly({ always: true }));
    nas.expectations.apply(nas.expectations.stopped('NAS'));

    expect(nas.judge(100 * HOUR)).toEqual(['missing']);
  });

  test('a machine that is no member any more is forgotten', () => {
    nas.expectations.apply(nas.expectations.forgotten('NAS'));

    expect(nas.judge(100 * HOUR)).toEqual([]);
    expect(nas.expectations.of('NAS')).toEqual([]);
  });

  test('a wall clock that jumps changes nothing but what is shown', () => {
    nas.wallAhead += 400 * 24 * HOUR;
    expect(nas.judge(HOUR)).toEqual([]);
    expect(nas.state).toBe('ok');
    nas.wallAhead -= 800 * 24 * HOUR;
    expect(nas.judge(4 * HOUR)).toEqual(['missing']);
    // The third was due an hour ago, less the grace of 6 minutes.
    expect(nas.expectations.get('NAS', 'nightly')?.since).toBe(nas.at(3 * HOUR + 6 * MINUTE).time);
  });

  test('after the server stood still no one is judged before there was time to come back', () => {
    nas.expectations.hold(100 * HOUR + 2 * MINUTE);
    expect(nas.judge(100 * HOUR)).toEqual([]);
    nas.announce(100 * HOUR, nightly());
    expect(nas.judge(100 * HOUR + 2 * MINUTE)).toEqual([]);
    nas.expectations.hold(200 * HOUR);
    expect(nas.judge(200 * HOUR - 1)).toEqual([]);
    expect(nas.judge(200 * HOUR)).toEqual(['missing']);
  });
});

test('a machine that misses and reports on purpose has people called 200 times, and 200 times an hour', () => {
  const nas = new Watched();
  let alarms = 0;
  const provoke = (times: number, from: number): void => {
    for (let number = 0; number < times; number++) {
      nas.announce(from);
      nas.announce(from, nightly({ nextInMs: 0, thirdInMs: 0, graceMs: 0 }));
      alarms += nas.judge(from + 1).length;
    }
  };
  provoke(1_000, 0);
  expect(alarms).toBe(200);
  provoke(1_000, HOUR / 2);
  expect(alarms).toBe(300);
  // Of others everything is told.
  const change = nas.expectations.announced('WEB', [nightly()], nas.at(0));
  nas.expectations.apply(change);
  expect(nas.judge(100 * HOUR)).toEqual(['missing', 'missing']);
});

test('while others may still come back, one that came is judged', () => {
  const nas = new Watched(10 * HOUR);
  nas.announce(0, nightly());

  expect(nas.judge(4 * HOUR)).toEqual(['missing']);
});

describe('the clock that does not jump', () => {
  const clocks = (
    more: Partial<Record<'wall' | 'monotonic' | 'uptime', number>>,
    boot?: string,
  ): MachineClocks => {
    const { wall = 5_000_000, monotonic = 10, uptime = 700_000 } = more;
    return { wall: () => wall, monotonic: () => monotonic, uptime: () => uptime, boot };
  };
  const saved = { steady: 4_000_000, time: 4_900_000, uptime: 600_000, boot: 'A' };

  test('begins as the wall clock says', () => {
    expect(new SteadyClock(clocks({}), undefined).now()).toEqual({ steady: 5_000_000, time: 5_000_000 });
  });

  test.each([
    ['the machine was not started again: its uptime says how long it was', clocks({}, 'A'), 4_100_000],
    ['a wall clock set to another year makes no difference then', clocks({ wall: 9e12 }, 'A'), 4_100_000],
    ['the machine was started again: the wall clock says it', clocks({ uptime: 5 }, 'B'), 4_100_000],
    ['where a start has no name the wall clock says it', clocks({ uptime: 900_000 }), 4_100_000],
    ['a wall clock that was set back takes no time back', clocks({ wall: 1 }, 'B'), 4_000_000],
  ])('continues over a restart: %s', (_, machine, steady) => {
    expect(new SteadyClock(machine, saved).now().steady).toBe(steady);
  });

  test('notices that the machine slept, and that the server stood still', () => {
    const now = { wall: 0, monotonic: 0, uptime: 0 };
    const clock = new SteadyClock(
      { wall: () => now.wall, monotonic: () => now.monotonic, uptime: () => now.uptime, boot: 'A' },
      undefined,
    );
    Object.assign(now, { monotonic: 1_000, uptime: 1_010 });
    expect(clock.look()).toBe(1_010);
    Object.assign(now, { monotonic: 2_000, uptime: 3_600_000 });
    expect(clock.look()).toBe(3_598_990);
    Object.assign(now, { monotonic: 62_000, uptime: 3_660_000 });
    expect(clock.look()).toBe(60_000);
  });
});

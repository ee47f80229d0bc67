import { NO_EVENTS } from '@filer/program';
import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import type { ScheduleEvent } from '../../apps/ip-server/src/reports/expectations.ts';
import { ReportMonitor } from '../../apps/ip-server/src/reports/report-monitor.ts';
import { SteadyClock } from '../../apps/ip-server/src/reports/steady-clock.ts';
import { NO_EFFECTS, type Effects } from '../../apps/ip-server/src/store/effects.ts';

test('what cannot be stored is not said, and is found again once it can be', async () => {
  const store = await freshStore();
  let monotonic = 0;
  let isFull = false;
  const said: string[] = [];
  const problems: (string | undefined)[] = [];
  const clocks = { wall: () => 0, monotonic: () => monotonic, uptime: () => monotonic, boot: undefined };
  const failing = {
    all: () => store.expectations.all(),
    clock: () => store.expectations.clock(),
    apply: (effects: Effects) =>
      isFull
        ? Promise.reject(new FilerError('no-space', 'the disk is full'))
        : store.expectations.apply(effects),
  };
  const lateness = new ReportMonitor(
    {
      events: NO_EVENTS,
      store: { reports: store.reports, expectations: failing },
      clock: new SteadyClock(clocks, undefined),
      settleMs: 0,
      isMember: () => true,
      alarmsOf: () => NO_EFFECTS,
      onRaised: (events: readonly ScheduleEvent[]) => said.push(...events.map(({ event }) => event)),
      onProblem: (problem) => problems.push(problem?.code),
    },
    [],
  );
  await lateness.announce('NAS', [{ name: 'x', nextInMs: 0, thirdInMs: 0, graceMs: 0, always: false }]);
  isFull = true;
  monotonic = 1_000;
  await lateness.sweep();
  await lateness.sweep();
  expect(said).toEqual([]);
  expect(lateness.of('NAS')).toMatchObject([{ state: 'ok' }]);
  expect(problems.slice(-2)).toEqual(['no-space', 'no-space']);

  isFull = false;
  await lateness.sweep();
  await lateness.sweep();
  expect(said).toEqual(['missing']);
  expect(await store.expectations.all()).toMatchObject([{ peer: 'NAS', state: 'missing' }]);
  await lateness.close();
});

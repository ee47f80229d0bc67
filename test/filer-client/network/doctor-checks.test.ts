import { expect, test } from 'vitest';
import { judge } from '../../../apps/filer-client/src/doctor/path-mtu.ts';
import { checkClock } from '../../../apps/filer-client/src/doctor/server-checks.ts';

test.each([
  [0, 'ok'],
  [-5_000, 'ok'],
  [5_001, 'warning'],
  [60_000, 'warning'],
  [-60_001, 'failed'],
  [3_600_000, 'failed'],
] as const)('a clock that is off by %i ms is %s', (aheadMs, state) => {
  expect(checkClock(aheadMs, 'the ip-server')).toMatchObject({ state, facts: { offsetMs: -aheadMs } });
});

test('a clock an hour behind is said to be behind, and what to type', () => {
  const { summary, remedy } = checkClock(3_600_000, 'the ip-server');

  expect(summary).toContain('1h behind');
  expect(remedy).toContain('timedatectl');
});

const line = (more: string): string =>
  `ESTAB 0 0 192.0.2.7:40000 192.0.2.8:10902\n\t cubic wscale:7,7 rtt:0.5/0.2 mss:1448 pmtu:${more}`;

test('what the kernel says of a connection is judged', () => {
  expect(judge(line('1500 segs_out:1000 segs_in:5'))).toMatchObject({
    state: 'ok',
    facts: { mtuBytes: 1500 },
  });
  expect(judge(line('1500 segs_out:1000 segs_in:5 retrans:0/20'))).toMatchObject({ state: 'ok' });
  expect(judge(line('1500 segs_out:1000 retrans:0/21'))).toMatchObject({
    state: 'warning',
    facts: { sentAgain: 21 },
  });
  expect(judge(line('1279 segs_out:1000'))).toMatchObject({ state: 'warning' });
  expect(judge('')).toMatchObject({ state: 'skipped' });
});

import { expect, test } from 'vitest';
import { judge } from '../../../apps/filer-client/src/doctor/path-mtu.ts';
import { checkClock, checkNat } from '../../../apps/filer-client/src/doctor/server-checks.ts';

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

test('of a connection that a third machine passes on, the way up to there is said to be looked at', () => {
  const { summary, facts } = judge(line('1500 segs_out:10'), 'relayed by ip-server');

  expect(summary).toContain('relayed by ip-server');
  expect(facts).toMatchObject({ mtuBytes: 1500, toRelay: true });
  expect(judge(line('1500 segs_out:10'))).toMatchObject({ facts: { toRelay: false } });
});

test.each([
  ['192.0.2.7:4000', '192.0.2.7', 'none'],
  ['192.0.2.7:5000', '::ffff:192.0.2.7', 'none'],
  ['203.0.113.5:4000', '192.168.1.2', 'port-preserving'],
  ['203.0.113.5:5000', '192.168.1.2', 'port-changing'],
  ['203.0.113.5:4000', '100.64.0.2', 'carrier-grade'],
])('%s, seen of %s, is %s', (observed, local, kind) => {
  expect(checkNat({ observed, localHost: local, localPort: 4_000 }, [])).toMatchObject({
    state: 'ok',
    facts: { kind },
  });
});

test.each([undefined, 'reboot.example:1', '$(reboot)', '[::1]:1'])('of %j nothing is said', (observed) => {
  expect(checkNat({ observed, localHost: '192.168.1.2', localPort: 4_000 }, [])).toMatchObject({
    state: 'skipped',
  });
});

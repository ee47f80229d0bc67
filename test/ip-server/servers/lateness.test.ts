import { encodeReportBody } from '@filer/protocol';
import { NO_EVENTS } from '@filer/program';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ReportMonitor } from '../../../apps/ip-server/src/reports/report-monitor.ts';
import { SteadyClock } from '../../../apps/ip-server/src/reports/steady-clock.ts';
import { NO_EFFECTS } from '../../../apps/ip-server/src/store/effects.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';

const MINUTE = 60_000;

describe.skipIf(needs.postgres())('schedules of machines of several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  const time = { now: 1_000_000 };
  const said: string[] = [];

  /** The monitor of one server. @param judge which of them looks who is late */
  async function monitor(name: string, address: string, judge: { readonly name: string }) {
    const store = await openStore(address);
    onTestFinished(() => store.close());
    const now = (): number => time.now;
    const { servers } = store;
    if (servers === undefined) throw new Error('several servers can share this engine');
    return new ReportMonitor(
      {
        events: NO_EVENTS,
        store,
        clock: new SteadyClock({ wall: now, monotonic: now, uptime: now, boot: undefined }, undefined),
        settleMs: 0,
        isMember: () => true,
        alarmsOf: () => NO_EFFECTS,
        onRaised: (events) => said.push(...events.map(({ event }) => `${event} at ${name}`)),
        onProblem: () => undefined,
        shared: { load: (peers) => servers.expectations(peers), isJudge: () => judge.name === name },
      },
      await store.expectations.all(),
    );
  }

  function report(seq: number) {
    const body = { title: '', values: [], schedule: 'x' };
    return {
      ...{ peer: 'NAS', receivedAt: time.now, content: encodeReportBody(body) },
      report: { ...body, spool: 'b'.repeat(32), seq, time: time.now, kind: 'schedule' as const },
      due: { nextInMs: MINUTE, thirdInMs: 3 * MINUTE },
    };
  }

  const schedule = { name: 'x', nextInMs: MINUTE, thirdInMs: 3 * MINUTE, graceMs: 0, always: false };

  test('are judged by one server, by what any of them has heard, and each alarm is raised once', async () => {
    const address = await cluster.freshDatabase();
    const judge = { name: 'a' };
    const a = await monitor('a', address, judge);
    const b = await monitor('b', address, judge);
    await a.announce('NAS', [schedule]);
    // It goes to the other server, and reports there.
    for (let seq = 1; seq <= 5; seq++) {
      time.now += MINUTE;
      expect(await b.append([report(seq)])).toEqual(['stored']);
      for (const each of [a, b]) await each.sweep();
    }
    expect(said).toEqual([]);

    time.now += 4 * MINUTE;
    for (const each of [b, a, b, a]) await each.sweep();
    expect(said).toEqual(['missing at a']);

    // The other server takes over what the first one has judged.
    judge.name = 'b';
    for (const each of [b, a, b]) await each.sweep();
    expect(said).toEqual(['missing at a']);
    await Promise.all([a.append([report(6)]), b.append([report(6)])]);
    expect(said.filter((each) => each.startsWith('back'))).toHaveLength(1);
    for (const each of [a, b]) await each.close();
  });
});

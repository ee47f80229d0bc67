import { encodeReportBody, FilerError } from '@filer/protocol';
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

  /** Where the session of the machine is. */
  const held = { by: 'a' };
  /** What each server says of the store. */
  const problems = new Map<string, string | undefined>();

  /** The servers that are cut off from the database. */
  const cutOff = new Set<string>();

  /** The monitor of one server. @param judge which of them looks who is late */
  async function monitor(name: string, address: string, judge: { readonly name: string }, settleMs = 0) {
    const store = await openStore(address);
    onTestFinished(() => store.close());
    const now = (): number => time.now;
    const { servers } = store;
    if (servers === undefined) throw new Error('several servers can share this engine');
    const reached = <T>(ask: () => Promise<T>): Promise<T> =>
      cutOff.has(name) ? Promise.reject(new FilerError('connect-failed', 'it is cut off')) : ask();
    const { expectations, reports } = store;
    return new ReportMonitor(
      {
        events: NO_EVENTS,
        store: {
          reports,
          expectations: {
            all: () => expectations.all(),
            clock: () => expectations.clock(),
            apply: (effects) => reached(() => expectations.apply(effects)),
          },
        },
        clock: new SteadyClock({ wall: now, monotonic: now, uptime: now, boot: undefined }, undefined),
        settleMs,
        isMember: () => true,
        alarmsOf: () => NO_EFFECTS,
        onRaised: (events) => said.push(...events.map(({ event }) => `${event} at ${name}`)),
        onProblem: (problem) => void problems.set(name, problem?.code),
        shared: {
          load: (peers) => reached(() => servers.expectations(peers)),
          isJudge: () => judge.name === name,
          isHere: () => held.by === name,
        },
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

  test('a database that was away is said to work again by those that have nothing to store, too', async () => {
    const b = await monitor('b', await cluster.freshDatabase(), { name: 'a' });
    cutOff.add('b');
    await b.sweep();
    expect(problems.get('b')).toBe('connect-failed');
    cutOff.delete('b');
    await b.sweep();

    expect(problems.get('b')).toBeUndefined();
  });

  test('are judged by one server, by what any of them has heard, and each alarm is raised once', async () => {
    const address = await cluster.freshDatabase();
    const judge = { name: 'a' };
    const a = await monitor('a', address, judge);
    const b = await monitor('b', address, judge);
    const c = await monitor('c', address, judge);
    await a.announce('NAS', [schedule]);
    // It goes to another server, and reports there.
    for (let seq = 1; seq <= 5; seq++) {
      time.now += MINUTE;
      expect(await b.append([report(seq)])).toEqual(['stored']);
      for (const each of [a, b, c]) await each.sweep();
    }
    expect(said).toEqual([]);

    time.now += 4 * MINUTE;
    for (const each of [b, c, a, b, a, c]) await each.sweep();
    expect(said).toEqual(['missing at a']);

    // The others take over what the first one has judged, one after the other, and all look at once.
    for (const name of ['b', 'c']) {
      judge.name = name;
      await Promise.all([a, b, c].map((each) => each.sweep()));
      await Promise.all([a, b, c].map((each) => each.sweep()));
      expect(said).toEqual(['missing at a']);
    }
    await Promise.all([a, b, c].map((each) => each.append([report(6)])));
    expect(said.filter((each) => each.startsWith('back'))).toHaveLength(1);
    for (const each of [a, b, c]) await each.close();
  });

  test.for(['before', 'after'])(
    'that a server could not store are not stored over what another one has heard since: first announced %s it was cut off',
    async (first) => {
      said.splice(0);
      const address = await cluster.freshDatabase();
      const judge = { name: 'a' };
      held.by = 'a';
      const a = await monitor('a', address, judge);
      const b = await monitor('b', address, judge);
      if (first === 'before') await a.announce('NAS', [schedule]);
      cutOff.add('a');
      await expect(a.announce('NAS', [schedule])).rejects.toThrow(/cut off/);
      // It goes to the other server, and reports there.
      held.by = 'b';
      await b.announce('NAS', [schedule]);
      for (let seq = 1; seq <= 10; seq++) {
        time.now += MINUTE;
        await b.append([report(seq)]);
      }
      cutOff.delete('a');
      await a.sweep();
      await a.sweep();
      const [stored] = b.of('NAS');
      expect(stored).toMatchObject({ state: 'ok', dueAt: time.now + MINUTE });
      expect(a.of('NAS')).toEqual([stored]);
      expect(said).toEqual([]);

      // It comes back while only the judge has changed its row, and cannot be stored at first.
      time.now += 4 * MINUTE;
      cutOff.add('b');
      await expect(b.announce('NAS', [{ ...schedule, graceMs: 7 }])).rejects.toThrow(/cut off/);
      await a.sweep();
      expect(said).toEqual(['missing at a']);
      cutOff.delete('b');
      await b.sweep();
      expect(b.of('NAS')).toMatchObject([{ state: 'missing', graceMs: 7 }]);
      await b.append([report(11)]);
      expect(said).toEqual(['missing at a', 'back at b']);
      for (const each of [a, b]) await each.close();
    },
  );

  test('are judged from the start on of who came since, and after a change of the judge when all had time to come', async () => {
    said.splice(0);
    const address = await cluster.freshDatabase();
    const judge = { name: 'a' };
    const [a, b] = [await monitor('a', address, judge, MINUTE), await monitor('b', address, judge, MINUTE)];
    const soon = { ...schedule, nextInMs: 1_000, thirdInMs: 3_000 };
    // In steps, as a server that does not stand still looks.
    const pass = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        time.now += 10_000;
        for (const each of [a, b]) await each.sweep();
      }
    };
    await a.announce('NAS', [soon]);
    for (const each of [a, b]) await each.sweep();
    await pass(1);
    expect(said).toEqual(['missing at a']);

    await b.announce('CAM', [soon]);
    judge.name = 'b';
    await pass(6);
    expect(said).toEqual(['missing at a']);
    await pass(2);
    expect(said).toEqual(['missing at a', 'missing at b']);
    for (const each of [a, b]) await each.close();
  });
});

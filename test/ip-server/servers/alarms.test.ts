import { createLogger, NO_EVENTS } from '@filer/program';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { AlarmSender, type AlarmRoute } from '../../../apps/ip-server/src/alarms/alarm-sender.ts';
import type { NewAlarm } from '../../../apps/ip-server/src/store/alarm-store.ts';
import { NO_EFFECTS } from '../../../apps/ip-server/src/store/effects.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';

const DAY_MS = 24 * 3_600_000;

describe.skipIf(needs.postgres())('alarms of several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('are each told by one server, and by the next one when that dies in the middle: once more at most, with the same id', async () => {
    const address = await cluster.freshDatabase();
    const teller = { name: 'a' };
    const told: string[] = [];
    /** What the first server is telling when it stands still. */
    const held = new Map<string, (problem?: string) => void>();
    const open = async (name: string) => {
      const store = await openStore(address);
      onTestFinished(() => store.close());
      const route: AlarmRoute = {
        channel: 'webhook',
        atOnce: 1,
        retryForMs: DAY_MS,
        deliver: async ({ id }) => {
          told.push(`${id} by ${name}`);
          if (name !== 'a' || id === 'one') return undefined;
          return await new Promise((resolve) => held.set(id, resolve));
        },
      };
      const sender = new AlarmSender({
        ...{ events: NO_EVENTS, route, alarms: store.alarms, isTeller: () => teller.name === name },
        now: () => ({ steady: performance.now(), time: 2_000 }),
        log: await createLogger({ stream: { write: () => undefined } }),
        onProblem: () => undefined,
        firstPauseMs: 10,
      });
      return { store, sender };
    };
    const [a, b] = [await open('a'), await open('b')];
    const alarms = ['one', 'two', 'three'].map((id): NewAlarm => {
      const about = { event: 'missing', peer: 'NAS', schedule: id } as const;
      return { id, time: 1_000, steady: 0, payload: '{}', ...about };
    });
    await a.store.expectations.apply({ ...NO_EFFECTS, alarms, channels: ['webhook'] });
    for (const each of [a, b]) each.sender.wake();
    await expect.poll(() => held.size).toBe(1);
    const deliveries = async () =>
      (await b.store.alarms.last(10)).flatMap((each) => each.deliveries.map(({ state }) => state));
    await expect.poll(deliveries).toEqual(['delivered', 'waiting', 'waiting']);

    // Its lease is over while it tells of the second one.
    teller.name = 'b';
    for (const each of [a, b]) each.sender.wake();
    await expect.poll(deliveries).toEqual(['delivered', 'delivered', 'delivered']);
    // It comes back, and did not get through.
    for (const answer of held.values()) answer('it was away');
    for (const each of [a, b]) each.sender.wake();
    await Promise.all([a, b].map(({ sender }) => sender.close()));
    expect(told.toSorted()).toEqual(['one by a', 'three by b', 'two by a', 'two by b']);
    expect(await deliveries()).toEqual(['delivered', 'delivered', 'delivered']);
    expect(
      (await b.store.alarms.last(10)).flatMap((each) => each.deliveries.map(({ problem }) => problem)),
    ).toEqual(alarms.map(() => undefined));
  });
});

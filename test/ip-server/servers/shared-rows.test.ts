import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Collect, CollectRun } from '../../../apps/ip-server/src/store/collect-store.ts';
import type { Store } from '../../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';

describe.skipIf(needs.postgres())('of two servers on one database', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  let a: Store;
  let b: Store;
  beforeAll(async () => {
    const address = await cluster.freshDatabase();
    [a, b] = [await storeOf('A', address), await storeOf('B', address)];
  });
  afterAll(() => Promise.all([a, b].map((store) => store.close())));

  async function storeOf(id: string, address: string): Promise<Store> {
    const store = await openStore(address);
    await store.servers?.serve(id);
    await store.servers?.enter({ id, addresses: [], software: '' });
    return store;
  }

  async function begin({ collects }: Store, name: string, label: string): Promise<CollectRun> {
    const expected = ['ANNA', 'BEN'].map((peer) => ({ peer, name: peer, folder: peer }));
    const run = {
      id: `${name} ${label}`,
      collect: name,
      label,
      startedAt: 1,
      expected,
      delivering: [],
      due: undefined,
    };
    const begun = await collects.begin(run);
    if (typeof begun === 'string') throw new Error(begun);
    return begun;
  }

  const collect = (name: string): Collect => ({
    name,
    ...{ sources: ['@all'], paths: ['x/**'], timetable: { kind: 'every', text: '6h' } },
    ...{ folder: '/srv/x', graceMs: 5, createdAt: 1, nextAt: undefined },
  });

  async function statesOf({ collects }: Store, { number }: CollectRun): Promise<string[]> {
    return (await collects.deliveries(number)).map(({ peer, state, elsewhere }) =>
      [peer, state, ...(elsewhere ? ['elsewhere'] : [])].join(' '),
    );
  }

  test('one that starts, or begins the next run, leaves what the other one asks for and receives', async () => {
    await a.collects.add(collect('x'));
    const first = await begin(a, 'x', 'first');
    await b.collects.asked(first.number, 'ANNA', 5, true);
    await b.collects.asked(first.number, 'BEN', 5);
    await a.collects.takeUp();
    expect(await statesOf(a, first)).toEqual(['ANNA asked elsewhere', 'BEN asked']);
    // What was lost here is old news.
    const lost = {
      state: 'waiting',
      code: 'connection-closed',
      reason: '',
      filesFailed: 0,
      failures: [],
    } as const;
    expect(await a.collects.failed(first.number, 'ANNA', lost)).toMatchObject({ state: 'asked', tries: 0 });

    await begin(a, 'x', 'second');
    await a.collects.takeUp();
    expect(await statesOf(a, first)).toEqual(['ANNA asked elsewhere', 'BEN missing']);
    expect((await a.collects.begun('x')).map(({ id, peer, elsewhere }) => [id, peer, elsewhere])).toEqual([
      ['x first', 'ANNA', true],
    ]);
    expect(await statesOf(b, first)).toEqual(['ANNA asked', 'BEN missing']);
    await b.collects.delivered(first.number, 'ANNA', { at: 9, files: 1, bytes: 2 });
    expect(await statesOf(a, first)).toEqual(['ANNA delivered', 'BEN missing']);
  });

  test('what one that ended was receiving is taken up', async () => {
    await a.collects.add(collect('y'));
    const first = await begin(a, 'y', 'first');
    await b.collects.asked(first.number, 'ANNA', 5, true);
    await b.servers?.leave('B');
    await a.collects.takeUp();
    await b.servers?.beat('B', true);
    expect(await statesOf(a, first)).toEqual(['ANNA waiting', 'BEN waiting']);
  });

  test('only what was changed recently is read again', async () => {
    await a.collects.add(collect('z'));
    const { number } = await begin(a, 'z', 'first');
    const lately = async (): Promise<string[]> =>
      (await a.collects.deliveries(number, 1)).map(({ peer }) => peer);
    await expect.poll(lately).toEqual([]);
    await b.collects.asked(number, 'BEN', 5);
    expect((await a.collects.deliveries(number, 60_000)).length).toBe(2);
    await b.collects.late(number);
    expect(await b.collects.deliveries(number, 60_000)).toMatchObject([{ late: true }, { late: true }]);
  });

  test('each counts and removes the files of reports that it has taken itself', async () => {
    const key = { peer: 'ANNA', spool: 'a'.repeat(32), seq: 1 };
    const upload = await b.attachments.begin(key, 1);
    if (upload === undefined) throw new Error('its report is not stored');
    await b.attachments.note(upload, { name: 'x', size: 100, digest: '' }, 1);
    const seen = async ({ attachments }: Store): Promise<unknown[]> => [
      await attachments.amount('bytes'),
      await attachments.amountOf('bytes', 'ANNA'),
      (await attachments.heaviest('bytes'))?.amount,
      (await attachments.oldestOf('ANNA', 9)).length,
      (await attachments.openOf('ANNA')).length,
      (await attachments.openSince(2, 9)).length,
    ];
    expect(await seen(a)).toEqual([0, 0, undefined, 0, 0, 0]);
    expect(await seen(b)).toEqual([100, 100, 100, 1, 1, 1]);
    await b.attachments.giveUp(upload);
    expect([(await a.attachments.gone(9)).length, (await b.attachments.gone(9)).length]).toEqual([0, 1]);
  });

  test('files of which no server is known are those of the only server', async () => {
    const address = await cluster.freshDatabase();
    const copied = await openStore(address);
    onTestFinished(() => copied.close());
    await copied.attachments.begin({ peer: 'ANNA', spool: 'a'.repeat(32), seq: 1 }, 1);
    const only = await storeOf('A', address);
    onTestFinished(() => only.close());
    expect(await only.attachments.openOf('ANNA')).toHaveLength(1);
  });
});

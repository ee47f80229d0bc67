import { join } from 'node:path';
import { createKeyPair, encodeReportBody, signLeave, signRemoval } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { copyContents, refuseOtherTarget } from '../../../apps/ip-server/src/store/copy.ts';
import type { Expectation } from '../../../apps/ip-server/src/store/expectation.ts';
import type { NewReport } from '../../../apps/ip-server/src/store/report-store.ts';
import type { Store } from '../../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { until } from '../../support/in-process.ts';
import { freshFolder } from '../../support/ip-server.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { reportsFound } from '../../support/reports-found.ts';
import { PaperNetwork } from '../members.ts';

const NOW = 1_500_000;

function reports(first: number, count: number, peer = 'ANNA'): NewReport[] {
  const body = { title: 'a\0b', values: [['text', 'ä€😀'] as const], schedule: 'disk' };
  const content = encodeReportBody(body);
  return Array.from({ length: count }, (_, index) => {
    const report = { ...body, spool: 'a'.repeat(32), seq: first + index, kind: 'schedule', time: 1 } as const;
    return { peer, receivedAt: NOW, report, content };
  });
}

/** Something of everything that a store can hold. */
async function fill(store: Store, network = new PaperNetwork()): Promise<void> {
  const { registry } = store;
  const [anna, ben, cleo] = [createKeyPair(), createKeyPair(), createKeyPair()];
  await registry.found({ network: network.networkKey.id, networkKey: 'k', server: network.server.id });
  await registry.beginRun(1_000);
  await registry.addInvite(network.invite.grant);
  for (const [name, key] of [
    ['anna', anna],
    ['ben', ben],
    ['cleo', cleo],
  ] as const)
    await registry.admit({ membership: network.membership(name, key), countsUse: true, now: NOW });
  await registry.leave(ben.id, signLeave(ben, network.membership('ben', ben), NOW));
  await registry.remove(signRemoval(network.networkKey, { number: 1, id: cleo.id, removedAt: NOW }));
  await registry.saveTrustedTime(network.server.id, { timeMs: 7, steadyMs: 5, boot: 'b' });
  await registry.saveListenedAt(network.server.id, { host: '::', port: 1, advertise: [] });
  const heartbeat = {
    ...{ uptimeMs: 1, loadHundredths: 2, memoryTotalBytes: 3, memoryFreeBytes: 4 },
    ...{ inboxFreeBytes: 5, transfers: 6, spooled: 7 },
  };
  await store.samples.save(new Map([['ANNA', { at: NOW, heartbeat }]]));
  const expectation: Expectation = {
    ...{ peer: 'ANNA', schedule: 'disk', always: false, graceMs: undefined, dueAt: 1, thirdAt: 2 },
    ...{ state: 'ok', since: 1, reportedAt: undefined, stopped: false },
  };
  const alarm = {
    id: 'a',
    time: 1,
    steady: 1,
    event: 'missing',
    peer: 'ANNA',
    schedule: 'disk',
    payload: '{}',
  } as const;
  const clock = { steady: 1, time: 2, uptime: 3, boot: undefined };
  const effects = { kept: [expectation], dropped: [], alarms: [alarm], channels: ['hook'], clock } as const;
  await store.reports.append(reports(1, 450), effects);
  await store.reports.append(reports(451, 3, 'BEN'));
  // Their numbers are not given again, wherever the store is.
  await store.reports.prune({ before: NOW + 1, maxBytes: Infinity }, 2);
  const upload = await store.attachments.begin({ peer: 'ANNA', spool: 'b'.repeat(32), seq: 1 }, 5);
  if (upload === undefined) throw new Error('no report has this key');
  await store.attachments.note(upload, { name: 'log', size: 3, digest: `blake3:${'0'.repeat(64)}` }, 6);
  await store.collects.add({
    ...{ name: 'x', sources: ['@all'], paths: ['x/**'], timetable: { kind: 'every', text: '6h' } },
    ...{ folder: '/srv/x', graceMs: 5, createdAt: 1, nextAt: undefined },
  });
  const expected = await store.collects.claimFolders('/srv/x', [{ peer: 'ANNA', name: 'anna' }]);
  await store.collects.begin({
    ...{ id: '1', collect: 'x', label: '1', startedAt: 1, expected, delivering: [], due: undefined },
  });
  await store.messages.add({
    id: 'm',
    time: 1,
    from: 'ANNA',
    to: '@all',
    text: 'hi',
    reached: 1,
    offline: 2,
  });
  await store.tokens.add(
    { id: 't', name: 'ops', role: 'read', digest: 'd', createdAt: 1, expiresAt: 2 * NOW },
    NOW,
  );
  await store.audit.begin({ time: 1, by: 'local', name: '', action: 'invite', target: '' });
}

describe.skipIf(needs.postgres())('a store', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => {
    cluster = await PostgresCluster.start();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const PLACES = {
    sqlite: async () => join(await freshFolder(), 'test.db'),
    postgres: () => cluster.freshDatabase(),
  };

  async function open(place: string, forCopy = false): Promise<Store> {
    const store = await openStore(place, { forCopy });
    onTestFinished(() => store.close());
    return store;
  }

  /** @param stopAfter ends it after so many steps */
  async function copy(from: Store, to: string, stopAfter = Infinity): Promise<readonly string[]> {
    const ending = new AbortController();
    const target = await openStore(to, { forCopy: true });
    let steps = 0;
    const options = {
      signal: ending.signal,
      onProgress: () => {
        steps += 1;
        if (steps === stopAfter) ending.abort(new Error('stopped'));
      },
    };
    try {
      await refuseOtherTarget(from, target);
      return (await copyContents(from, target, options)).map(
        ({ name, rows, digest }) => `${name} ${rows} ${digest}`,
      );
    } finally {
      await target.close();
    }
  }

  const pairs = Object.keys(PLACES).flatMap((from) => Object.keys(PLACES).map((to) => [from, to] as const));
  test.each(pairs as [keyof typeof PLACES, keyof typeof PLACES][])(
    'in %s is the same in %s: rows, epoch, positions, and the numbers that come next',
    async (fromEngine, toEngine) => {
      const from = await open(await PLACES[fromEngine]());
      await fill(from);
      const place = await PLACES[toEngine]();
      const tables = await copy(from, place);
      const to = await open(place);

      // Of both engines: a table that only one of them has is not copied.
      const ofBoth = [from, to].map(async (store) =>
        (await store.contents?.tables())?.map(({ name }) => name),
      );
      const [ofOne, ofOther] = (await Promise.all(ofBoth)).map((names) => names?.toSorted());
      expect(ofOne).toEqual(ofOther);
      expect(new Set(tables.map((table) => table.split(' ')[0]))).toEqual(new Set(ofOne));
      expect(tables.filter((table) => / 0 /.test(table))).toEqual([]);
      expect(to.registry.epoch).toBe(from.registry.epoch);
      expect(await to.registry.seq()).toBe(await from.registry.seq());
      expect(await to.registry.members()).toEqual(await from.registry.members());
      expect(await to.registry.founding()).toEqual(await from.registry.founding());
      expect(await to.expectations.clock()).toEqual(await from.expectations.clock());
      const all = async (store: Store) => reportsFound(store.reports.query({}));
      expect(await all(to)).toEqual(await all(from));
      const next = reports(900, 1);
      await Promise.all([from, to].map((store) => store.reports.append(next)));
      expect(await to.reports.newest()).toBe(await from.reports.newest());
      // What it is stored as is known there, too.
      expect(await to.reports.append(reports(1, 1))).toEqual(['stored']);
      expect(await to.reports.newest()).toBe(await from.reports.newest());
    },
  );

  test.each(['sqlite', 'postgres'] as const)(
    'whose copy into %s was interrupted is opened by no server, and complete after the same copy again',
    async (engine) => {
      const from = await open(await PLACES.sqlite());
      await fill(from);
      const place = await PLACES[engine]();
      await expect(copy(from, place, 8)).rejects.toThrow('stopped');
      await expect(openStore(place)).rejects.toMatchObject({ code: 'store-damaged' });
      // What has changed meanwhile is copied, too.
      await from.reports.prune({ before: NOW + 1, maxBytes: Infinity }, 1);
      await from.registry.addInvite({ ...new PaperNetwork().invite.grant });
      await copy(from, place);

      const to = await open(place);
      expect(await reportsFound(to.reports.query({}))).toEqual(await reportsFound(from.reports.query({})));
      expect(await to.registry.invites()).toHaveLength(2);
    },
  );

  test('becomes the newer state of its own network, and never an older one or another network', async () => {
    const [first, second] = [await open(await PLACES.sqlite()), await open(await PLACES.postgres())];
    await fill(first);
    await fill(second);
    const place = await PLACES.postgres();
    await copy(first, place);
    await expect(copy(second, place)).rejects.toMatchObject({ code: 'refused' });
    const moved = await open(place);
    await moved.reports.append(reports(900, 1));
    await expect(copy(first, place)).rejects.toMatchObject({ code: 'refused' });
    const file = join(await freshFolder(), 'test.db');
    await copy(first, file);
    await copy(moved, file);

    expect(await (await open(file)).reports.newest()).toBe(await moved.reports.newest());
  });

  test('in a database that a server uses is reserved by no copy, and none opens it while one is copied', async () => {
    const place = await cluster.freshDatabase();
    const server = await openStore(place);
    const copying = await open(place, true);
    await expect(copying.contents?.reserve()).rejects.toMatchObject({ code: 'already-running' });
    await server.close();
    // Its connections end a moment after it.
    const reserved = await until(
      async () => copying.contents?.reserve().catch(() => undefined),
      (each) => each !== undefined,
    );
    await expect(openStore(place)).rejects.toMatchObject({ code: 'already-running' });
    await reserved?.[Symbol.asyncDispose]();

    await expect(open(place)).resolves.toBeDefined();
  });
});

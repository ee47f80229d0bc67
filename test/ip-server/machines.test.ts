import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { transfersMessage } from '@filer/protocol';
import { DaemonClient, transportHere } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adminApiOf } from '../../apps/ip-server/src/api/admin-api.ts';
import { contract } from '../../apps/ip-server/src/api/contract.ts';
import type { MachineRow } from '../../apps/ip-server/src/api/contract/machines.ts';
import { samplesDocument } from '../../apps/ip-server/src/api/machines.ts';
import { methodsOn } from '../../apps/ip-server/src/api/methods.ts';
import { MemorySampleStore } from '../../apps/ip-server/src/store/memory/sample-store.ts';
import { until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { TestMember } from '../support/test-member.ts';

let network: NetworkHere;
let server: DaemonClient;
let anna: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open({ reportIntervalMs: 500 });
  server = new DaemonClient(transportHere(methodsOn(adminApiOf(network.server)), async () => undefined));
  anna = await network.add('anna');
});
afterAll(() => network[Symbol.asyncDispose]());

async function machines(since?: string) {
  const rows: MachineRow[] = [];
  const params = since === undefined ? {} : { since };
  const result = await server.call(contract.machines, params, { onItem: (row) => void rows.push(row) });
  return { ...result, rows };
}

test('a page learns of all machines once, and then of those that changed', async () => {
  await network.join('bert');
  const first = await machines();

  expect(first.all).toBe(true);
  expect(first.rows.map(({ name, standing }) => [name, standing])).toEqual([
    ['bert', 'offline'],
    ['anna', 'online'],
  ]);
  await network.runServer('group', 'add', 'bert', 'lab');
  const second = await until(
    () => machines(first.at),
    ({ rows }) => rows.some(({ groups }) => groups.includes('lab')),
  );
  expect(second.all).toBe(false);
  expect((await machines('another-1')).all).toBe(true);
});

test('a machine that was removed is told as such, and no longer listed', async () => {
  await network.join('carl');
  const { at, rows } = await machines();
  const id = rows.find(({ name }) => name === 'carl')?.id;

  expect(await server.call(contract.memberRemove, { peer: 'carl' })).toEqual({ id, name: 'carl' });
  expect((await machines(at)).removed).toEqual([id]);
  expect((await machines()).rows.map(({ name }) => name)).not.toContain('carl');
});

test('a member is invited, renamed and regrouped with the key that is at the server', async () => {
  const { link } = await server.call(contract.memberInvite, { groups: ['lab'], expiresMs: 60_000, uses: 1 });
  expect(link).toMatch(/^filer/);
  await network.join('dora');

  const changed = await server.call(contract.memberChange, {
    peer: 'dora',
    name: 'doris',
    groups: ['b', 'a', 'b'],
  });
  expect(changed).toMatchObject({ name: 'doris', groups: ['a', 'b'] });
  const taken = server.call(contract.memberChange, { peer: 'doris', name: 'anna' });
  await expect(taken).rejects.toMatchObject({ code: 'name-taken' });
});

test('a text to many is kept with how many it reached', async () => {
  await server.call(contract.broadcast, { text: '<img src=x onerror=alert(1)>', to: '@all' });
  await anna.run('broadcast', 'hello');

  const { messages } = await server.call(contract.messages, { limit: 10 });
  expect(messages.map(({ from, to, text, reached }) => [from, to, text, reached])).toEqual([
    [null, '@all', '<img src=x onerror=alert(1)>', 1],
    ['anna', '@all', 'hello', 0],
  ]);
});

test('reports are listed the newest first, and their numbers are a series', async () => {
  await anna.run('report', 'disk=80 %', 'note=full', '--title', 'one');
  await anna.run('report', 'disk=81.5 %', '--title', 'two');
  const { reports } = await until(
    () => server.call(contract.reportList, { peer: 'anna', limit: 10 }),
    (found) => found.reports.length === 2,
  );

  expect(reports.map(({ title }) => title)).toEqual(['two', 'one']);
  const { times, series } = await server.call(contract.reportSeries, { peer: 'anna', schedule: '' });
  expect(times).toHaveLength(2);
  expect(series).toEqual([{ name: 'disk', numbers: [80, 81.5] }]);
  expect((await machines()).rows.find(({ name }) => name === 'anna')?.reportedAt).toBe(
    reports[0]?.receivedAt,
  );
});

test('schedules of a machine are those of its reports, and those that are expected', async () => {
  const edge = await TestMember.join(await network.invite(), 'edge');
  await using connection = await edge.connect();
  const times = { nextInMs: 600_000, thirdInMs: 1_800_000, graceMs: 0, always: false };
  await connection.announce({ name: 'nightly', ...times }, { name: 'hourly', ...times });
  await connection.reportOf('nightly', 1, times);
  await connection.report(2);
  const { schedules } = await until(
    () => server.call(contract.reportSchedules, { peer: 'edge' }),
    (found) => found.schedules.length === 3,
  );

  expect(schedules).toEqual(['', 'nightly', 'hourly']);
});

test('the numbers of a machine come as columns of at most 600 points', async () => {
  const samples = new MemorySampleStore();
  const { id } = network.server.directory.byName('anna')?.membership ?? { id: '' };
  const heartbeat = {
    uptimeMs: 1,
    loadHundredths: 150,
    memoryTotalBytes: 4,
    memoryFreeBytes: 2,
    inboxFreeBytes: 3,
    transfers: 0,
    spooled: 0,
  };
  const start = Date.UTC(2026, 0, 1);
  for (let minute = 0; minute < 700; minute++)
    await samples.save(new Map([[id, { at: start + minute * 60_000, heartbeat }]]));

  const { times, load } = await samplesDocument({ ...adminApiOf(network.server), samples }, 'anna', start);
  expect(times.length).toBeGreaterThan(300);
  expect(times.length).toBeLessThanOrEqual(600);
  expect(load[0]).toBe(1.5);
});

test('what a machine sends is told while it runs, and no longer once it has gone', async () => {
  await network.add('emil');
  const file = join(network.folder, 'large');
  await writeFile(file, Buffer.alloc(4_000_000));
  const sending = anna.run('send', file, '--to', 'emil', '--limit', '100KB', '--json');
  const { transfers } = await until(
    () => server.call(contract.transfers, {}),
    (told) => told.transfers.length > 0,
  );

  expect(transfers).toMatchObject([{ from: 'anna', to: 'emil', filesTotal: 1, bytesTotal: 4_000_000 }]);
  const jobs = (await anna.ask('transfers'))['outgoing'] as { job: string }[];
  await anna.run('cancel', jobs[0]?.job ?? '');
  await sending;
  expect(
    await until(
      () => server.call(contract.transfers, {}),
      (told) => told.transfers.length === 0,
    ),
  ).toEqual({ transfers: [] });
});

test('transfers of a machine that was lost are told no longer', async () => {
  const nas = await (await TestMember.join(await network.invite(), 'nas')).connect();
  const transfer = {
    ...{ job: 'a', kind: 'get' as const, peer: network.server.directory.byName('anna')?.membership.id ?? '' },
    ...{ filesDone: 0, filesTotal: 1, bytesDone: 0, bytesTotal: 9, bytesPerSecond: 0 },
  };
  const { header, content } = transfersMessage.format({ transfers: [transfer] });
  await nas.session.notify(header, content);
  const told = await until(
    () => server.call(contract.transfers, {}),
    (each) => each.transfers.length > 0,
  );
  expect(told.transfers).toMatchObject([{ from: 'anna', to: 'nas' }]);
  nas.vanish();

  expect(
    await until(
      () => server.call(contract.transfers, {}),
      (each) => each.transfers.length === 0,
    ),
  ).toEqual({ transfers: [] });
});

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { ServerEventData } from '../../apps/ip-server/src/api/contract/events.ts';
import { CommandHere } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import { TestMember } from '../support/test-member.ts';

let network: NetworkHere;
let nas: Awaited<ReturnType<TestMember['connect']>>;

beforeAll(async () => {
  network = await NetworkHere.open();
  nas = await (await TestMember.join(await network.invite(), 'nas')).connect();
});
afterAll(async () => {
  await nas[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

/** @returns reads on until there is such an event, and hands out what it carries */
async function awaits<K extends keyof ServerEventData>(
  type: K,
): Promise<(fits?: (data: ServerEventData[K]) => boolean) => Promise<ServerEventData[K] | undefined>> {
  const events = network.server.events.subscribe({ types: [type] });
  await events.next(); // the reset
  onTestFinished(async () => void (await events.return()));
  return async (fits = () => true) => {
    for (;;) {
      const { value } = await events.next();
      const data = value?.data as ServerEventData[K] | undefined;
      if (data === undefined || fits(data)) return data;
    }
  };
}

test('a heartbeat, and a machine that joins, comes, goes, is renamed or removed, are events of it', async () => {
  const next = await awaits('peer');
  const isCam = ({ id }: { id: string }): boolean => id === cam.id;
  await nas.heartbeat();
  expect(await next(({ id }) => id === nas.member.id)).toBeDefined();
  const cam = await TestMember.join(await network.invite(), 'cam');
  expect(await next(isCam)).toBeDefined();
  const comes = await awaits('peer');
  const connection = await cam.connect();
  expect(await comes(isCam)).toBeDefined();
  const goes = await awaits('peer');
  await connection[Symbol.asyncDispose]();
  expect(await goes(isCam)).toBeDefined();
  const changes = await awaits('peer');
  await network.askServer('rename', 'cam', 'cam2');
  expect(await changes(isCam)).toBeDefined();
  const ends = await awaits('peer');
  await network.askServer('remove', 'cam2', '--yes');
  expect(await ends(isCam)).toBeDefined();
});

test('reports that were stored are an event', async () => {
  const next = await awaits('report');
  await nas.report(1);
  const { id } = network.server.directory.byName('nas')?.membership ?? {};
  expect(await next()).toEqual({ count: 1, peers: [id] });
});

test('a report that is expected, is missing and comes are events, and so are its alarms', async () => {
  const [schedule, alarm] = [await awaits('schedule'), await awaits('alarm')];
  await nas.announce({ name: 'nightly', nextInMs: 0, thirdInMs: 0, graceMs: 0, always: false });
  expect(await schedule()).toEqual({ peer: nas.member.id, name: 'nightly' });
  expect(await alarm()).toEqual({ peer: nas.member.id, schedule: 'nightly' });
});

test('a collect that is made, runs and is removed is an event each time', async () => {
  const next = await awaits('collect');
  await network.askServer('collect', 'add', 'x', '--from', '@all', '--path', 'a/**', '--every', '7d');
  expect(await next()).toEqual({ name: 'x' });
  await network.server.collects.runNow('x');
  expect(await next()).toEqual({ name: 'x' });
  const removed = await awaits('collect');
  await network.askServer('collect', 'remove', 'x', '--yes');
  expect(await removed()).toEqual({ name: 'x' });
});

test('an invite that is made and revoked is an event each time, and so is what the audit log says of it', async () => {
  const [invite, audit] = [await awaits('invite'), await awaits('audit')];
  await network.invite();
  const made = await invite();
  const [begun, ended] = [await audit(), await audit()];
  expect(made?.id).toMatch(/./);
  expect(begun?.number).toBe(ended?.number);
  await network.askServer('invite', '--revoke', made?.id ?? '', '--yes');
  expect(await invite()).toEqual(made);
});

test('peers --watch shows what changes when it changes', async () => {
  await using watching = new CommandHere('ip-server', network.serverHome, ['peers', '--watch']);
  await watching.shows(({ peers }) => JSON.stringify(peers).includes('"name":"nas"'));
  await nas.heartbeat({ transfers: 7 });
  expect(await watching.shows(({ peers }) => JSON.stringify(peers).includes('"transfers":7'))).toBeDefined();
});

test('reports --watch shows a report when it comes', async () => {
  await using watching = new CommandHere('ip-server', network.serverHome, [
    'reports',
    '--watch',
    '--since',
    '1h',
  ]);
  await nas.report(2, { free: '8' });
  await watching.shows(({ seq }) => seq === 2);
  await nas.report(3, { free: '7' });
  expect(await watching.shows(({ seq }) => seq === 3)).toMatchObject({ values: { free: '7' } });
});

test('collect --watch and collect show --watch show a run when it begins', async () => {
  await network.askServer('collect', 'add', 'y', '--from', '@all', '--path', 'a/**', '--every', '7d');
  await using all = new CommandHere('ip-server', network.serverHome, ['collect', '--watch']);
  await using one = new CommandHere('ip-server', network.serverHome, ['collect', 'show', 'y', '--watch']);
  await Promise.all([all.shows(() => true), one.shows(({ run }) => run === null)]);
  await network.server.collects.runNow('y');
  const ledger = one.shows(({ run }) => run !== null);
  const list = all.shows(({ collects }) => JSON.stringify(collects).includes('"expected":1'));
  expect((await Promise.all([ledger, list])).length).toBe(2);
});

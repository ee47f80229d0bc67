import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dial, sayHello, unauthenticatedMessenger } from '@filer/protocol';
import type { DaemonProcess, Line, ProgramProcess } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, TestNetwork } from '../support/test-network.ts';
import { helloOf, TestMember } from '../support/test-member.ts';
import { Hand } from '../transfer/by-hand.ts';
import { listing } from '../transfer/listing.ts';

let network: TestNetwork;
let proxy: TcpProxy;

beforeAll(async () => {
  proxy = await TcpProxy.open();
  network = await TestNetwork.open({ running: ['anna'] });
  await network.join('bob');
  await startBob();
  await network.seesAs('anna', 'bob', 'online');
});
afterAll(async () => {
  await network.close();
  await proxy[Symbol.asyncDispose]();
});

/** Bob is known by the address of the proxy only, from his first record on: no byte may go past it. */
async function startBob(): Promise<DaemonProcess> {
  const bob = await network.startAlone('bob', '--accept', 'ask', '--advertise', proxy.address);
  proxy.target = bob.listen;
  await bob.said('connected to the ip-server');
  return bob;
}

async function itemsOf(name: string, state?: string): Promise<Line[]> {
  const [document] = await network.ask(name, 'inbox');
  return listOf(document, 'items').filter((item) => state === undefined || item['state'] === state);
}

/** Sends to bob, and waits until he was asked. */
async function offer(...paths: string[]): Promise<{ sending: ProgramProcess; item: Line }> {
  const sending = network.follow('anna', ['send', ...paths, '--to', 'bob', '--json', '--note', 'look']);
  const { recipient } = await sending.typed('waiting');
  expect(recipient).toBe('bob');
  const { job } = await sending.typed('job');
  const item = (await itemsOf('bob', 'waiting')).find((each) => each['job'] === job);
  return { sending, item: item ?? {} };
}

test('under ask nothing comes before a person accepts, who is shown all of what comes', async () => {
  const tree = network.path('tree');
  await mkdir(join(tree, 'sub'), { recursive: true });
  for (let n = 0; n < 250; n++) await writeFile(join(tree, 'sub', `file ${n}`), `content of ${n}`);
  const single = await network.file('single', 1_000);

  const { sending, item } = await offer(tree, single);

  expect(item).toMatchObject({
    from: 'anna',
    path: network.inbox('bob', 'anna'),
    name: 'tree',
    names: ['tree', 'single'],
    files: 251,
    digest: null,
    note: 'look',
  });
  expect(item['size']).toBeGreaterThan(250 * 12 + 1_000);
  expect(await filesBelow(network.inbox('bob'))).toEqual([]);
  expect(await network.daemon('bob').typed('offer')).toMatchObject({ state: 'waiting', files: 251 });
  const shown = await network.client('bob', ['inbox']);
  expect(shown.stdout).toContain('anna offers tree, single (251 files');
  const id = String(item['id']).slice(0, 8);
  expect(shown.stderr).toContain(`filer-client inbox accept ${id}`);

  const [answered] = await network.ask('bob', 'inbox', 'accept', id);

  expect(listOf(answered, 'offers')).toMatchObject([{ from: 'anna', state: 'accepted', present: true }]);
  expect((await sending.ended).code).toBe(0);
  expect(await listing(network.inbox('bob', 'anna', 'tree'))).toEqual(await listing(tree));
  expect(await itemsOf('bob', 'waiting')).toEqual([]);
  expect(await itemsOf('bob', 'received')).toHaveLength(251);
  const again = await network.client('bob', ['inbox', 'accept', id]);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('was accepted');
});

test('who is declined is told why, with exit 6', async () => {
  const { sending, item } = await offer(await network.file('unwanted', 1_000));

  await network.ask('bob', 'inbox', 'decline', String(item['id']), '--reason', 'not today');

  const { code, stderr } = await sending.ended;
  expect(code).toBe(6);
  expect(stderr).toContain('bob declined: not today');
  expect(await itemsOf('bob', 'declined')).toMatchObject([{ id: item['id'], reason: 'not today' }]);
});

test('an offer can be answered in the shell, too', async () => {
  const { sending, item } = await offer(await network.file('for the shell', 1_000));

  const { stdout } = await network.client('bob', ['shell'], {
    input: `decline ${String(item['id'])} too large\n`,
  });

  expect(stdout).toContain('declined anna: ');
  expect((await sending.ended).stderr).toContain('bob declined: too large');
});

test('Ctrl-C at the sender withdraws what waits', async () => {
  const { sending, item } = await offer(await network.file('withdrawn', 1_000));

  expect(await sending.stop('SIGINT')).toBe(130);

  await network.daemon('bob').line(({ id, state }) => id === item['id'] && state === 'withdrawn');
  const late = await network.client('bob', ['inbox', 'accept', String(item['id'])]);
  expect(late.stderr).toContain('was withdrawn by anna');
  expect(await itemsOf('bob', 'waiting')).toEqual([]);
});

test('what grew beyond what was shown is refused, the rest comes', async () => {
  const [grows, stays] = [await network.file('grows', 1_000), await network.file('stays', 1_000)];
  const { sending } = await offer(grows, stays);
  await appendFile(grows, 'more than was shown');

  await network.ask('bob', 'inbox', 'accept', '--from', 'anna');

  const { code } = await sending.ended;
  expect(code).toBe(8);
  expect(await sending.line(({ ok, path }) => ok === false && path === grows)).toMatchObject({
    code: 'refused',
  });
  expect(await filesBelow(network.inbox('bob', 'anna'))).toContain('stays');
  expect(await filesBelow(network.inbox('bob', 'anna'))).not.toContain('grows');
});

test('an offer outlives the daemon that asked: it waits again, and resuming what was accepted asks no one', async () => {
  const { sending, item } = await offer(await network.file('large', 8_000_000));
  await network.daemon('bob').stop('SIGKILL');
  expect((await network.client('bob', ['inbox', 'accept', '--all'])).code).toBe(12);

  const second = await startBob();
  const { state, id } = await second.typed('offer');
  expect({ state, id }).toEqual({ state: 'waiting', id: item['id'] });
  const half = proxy.hold(4_000_000);
  await network.ask('bob', 'inbox', 'accept', '--all');
  await half;
  await second.stop('SIGKILL');
  proxy.cut();
  const third = await startBob();

  expect((await sending.ended).code).toBe(0);
  await third.typed('received');
  expect(third.lines.filter(({ type }) => type === 'offer')).toEqual([]);
  expect(await filesBelow(network.inbox('bob', 'anna'))).toContain('large');
});

test('to answer takes a daemon, and one who says which', async () => {
  const nobody = await network.client('bob', ['inbox', 'accept']);
  expect(nobody.code).toBe(2);
  expect(nobody.stderr).toContain('--all');
  const unknown = await network.client('bob', ['inbox', 'decline', 'zzz', '--json']);
  expect(unknown.stdout).toContain('no-such-offer');
});

test('two connections of one accepted job do not bring twice what was shown', async () => {
  const {
    identity,
    network: id,
    membership,
  } = await TestMember.join((await network.invite()).trim(), 'mallory');
  const [status] = await network.ask('bob', 'status');
  const endpoint = {
    transport: 'tls',
    host: '127.0.0.1',
    port: network.daemon('bob').port,
    identity,
  } as const;
  const open = async (): Promise<Hand> => {
    const messenger = unauthenticatedMessenger(await dial({ ...endpoint, expect: String(status?.['id']) }));
    await sayHello(messenger, helloOf(id, { purpose: 'transfer', membership }));
    return new Hand(messenger);
  };
  const content = Buffer.from('ten bytes.');
  const [one, two] = [await open(), await open()];
  const announced = one.offer({ ten: content.length });
  await network.daemon('bob').line(({ type, from }) => type === 'offer' && from === 'mallory');
  await network.ask('bob', 'inbox', 'accept', '--all');
  await announced;

  await two.offer({ ten: content.length });
  await one.file(0, content.length).catch(() => undefined);

  expect((await one.hear('error'))?.header['code']).toBe('connection-closed');
  await two.file(0, content.length);
  await two.chunk(0, 0, content);
  await two.end(0, content);
  await two.hear('receipts');
  expect(await filesBelow(network.inbox('bob', 'mallory'))).toEqual(['ten']);
  two.messenger.destroy();
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectDaemon, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { contract } from '../../apps/filer-client/src/api/contract.ts';
import type { ClientEvent, ClientEventData } from '../../apps/filer-client/src/api/contract/events.ts';
import { CommandHere } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

let network: NetworkHere;
let alice: ClientHere;
let bob: ClientHere;
let file: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await bob.sees('alice');
  file = join(network.folder, 'file');
  await writeFile(file, 'x'.repeat(100_000));
});
afterAll(() => network[Symbol.asyncDispose]());

/** @returns what resolves with the next such event from now on */
async function awaits(
  client: ClientHere,
  ...types: (keyof ClientEventData)[]
): Promise<() => Promise<ClientEvent>> {
  const events = client.daemon.events.subscribe({ types });
  await events.next(); // the reset
  onTestFinished(async () => void (await events.return()));
  return async () => {
    const { value } = await events.next();
    if (value === undefined) throw new Error('the daemon has ended');
    return value;
  };
}

test('a job that is sent is an event here, and its file one at the receiver', async () => {
  const [sent, came] = [await awaits(alice, 'transfer'), await awaits(bob, 'transfer')];
  const received = await awaits(bob, 'received');
  await alice.ask('send', file, '--to', 'bob');
  expect((await sent()).type).toBe('transfer');
  expect((await came()).type).toBe('transfer');
  expect((await received()).data).toMatchObject({ from: 'alice', name: 'file', size: 100_000 });
});

test('a job that waits, and is cancelled, is an event each time, and shown when it happens', async () => {
  await network.join('carol');
  await alice.sees('carol', () => true);
  const begins = await awaits(alice, 'transfer');
  const watching = new CommandHere('filer-client', alice.home, ['transfers', '--watch']);
  onTestFinished(() => watching[Symbol.asyncDispose]());
  await watching.shows(({ outgoing }) => JSON.stringify(outgoing) === '[]');
  await using sending = new CommandHere('filer-client', alice.home, [
    'send',
    file,
    '--to',
    'carol',
    '--queue',
  ]);
  expect((await begins()).type).toBe('transfer');
  const shown = await watching.shows(({ outgoing }) => JSON.stringify(outgoing).includes('carol'));
  const [kept] = shown['outgoing'] as { job: string }[];
  const cancelled = await awaits(alice, 'transfer');
  await alice.ask('cancel', String(kept?.job));
  expect((await cancelled()).type).toBe('transfer');
  expect(await watching.shows(({ outgoing }) => JSON.stringify(outgoing) === '[]')).toBeDefined();
  await sending.shows(({ type }) => type === 'done');
});

test('a message is an event with all of it', async () => {
  const next = await awaits(bob, 'message');
  await alice.ask('message', 'bob', 'hello');
  expect((await next()).data).toMatchObject({ from: 'alice', text: 'hello' });
});

test('a report that waits and is sent is an event each time', async () => {
  const next = await awaits(alice, 'spool');
  await alice.ask('report', 'free=8');
  expect([(await next()).type, (await next()).type]).toEqual(['spool', 'spool']);
});

test('a schedule that is added, and one that is removed, is an event', async () => {
  const added = await awaits(alice, 'schedule');
  await alice.ask('report', 'schedule', 'add', 'x', '--every', '1d', '--set', 'a=1');
  expect((await added()).type).toBe('schedule');
  const removed = await awaits(alice, 'schedule');
  await alice.ask('report', 'schedule', 'remove', 'x', '--yes');
  expect((await removed()).type).toBe('schedule');
});

test('a share that is added, and one that is removed, is an event', async () => {
  const added = await awaits(alice, 'share');
  const folder = join(network.folder, 'shared');
  await mkdir(folder);
  await alice.ask('share', 'add', folder);
  expect((await added()).type).toBe('share');
  const removed = await awaits(alice, 'share');
  await alice.ask('share', 'remove', 'shared', '--yes');
  expect((await removed()).type).toBe('share');
});

test('a watch that is added, and one that is removed, is an event', async () => {
  const added = await awaits(alice, 'watch');
  await alice.ask('watch', 'add', join(network.folder, 'nothing'), '--to', 'bob', '--as', 'w');
  expect((await added()).type).toBe('watch');
  const removed = await awaits(alice, 'watch');
  await alice.ask('watch', 'remove', 'w', '--yes');
  expect((await removed()).type).toBe('watch');
});

test('a connection that opens or closes is an event', async () => {
  const client = await connectDaemon(resolveHome('filer-client', { FILER_HOME: alice.home }));
  if (client === undefined) throw new Error('it runs');
  onTestFinished(() => client.close());
  const opened = await awaits(alice, 'connection');
  await client.call(contract.connect, { target: 'bob' });
  expect((await opened()).data).toMatchObject({ name: 'bob', direction: 'out', open: true });
  const closed = await awaits(alice, 'connection');
  await client.call(contract.disconnect, { target: 'bob' });
  expect((await closed()).data).toMatchObject({ name: 'bob', open: false });
});

test('peers --watch shows who goes and comes, and that the server is away, when that happens', async () => {
  await using watching = new CommandHere('filer-client', alice.home, ['peers', '--watch']);
  const isBob =
    (state: string) =>
    (line: Record<string, unknown>): boolean =>
      (line['peers'] as { name: string; state: string }[]).some(
        (each) => each.name === 'bob' && each.state === state,
      );
  await watching.shows(isBob('online'));
  await bob[Symbol.asyncDispose]();
  await watching.shows(isBob('stopped'));
  const directory = await awaits(alice, 'server');
  await network.stopServer();
  expect((await directory()).data).toMatchObject({ connected: false });
  expect(
    await watching.shows(({ server }) => (server as { connected: boolean }).connected === false),
  ).toBeDefined();
});

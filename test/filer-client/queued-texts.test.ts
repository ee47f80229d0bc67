import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { FilerError, Session } from '@filer/protocol';
import { createLogger, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { TextCourier } from '../../apps/filer-client/src/daemon/text-courier.ts';
import { Member } from '../../apps/filer-client/src/network/member.ts';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { QueuedTextStore } from '../../apps/filer-client/src/store/queued-text-store.ts';
import { connect, TCP } from '../protocol/wires.ts';
import { askHere, until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { Line } from '../support/programs.ts';

let network: NetworkHere;
let alice: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
  bob = await network.add('bob');
  await alice.sees('bob');
  await bob.daemon.close();
  await alice.sees('bob', ({ online }) => online === false);
});

afterAll(() => network[Symbol.asyncDispose]());

async function textsAt(home: string): Promise<string[]> {
  const [{ messages } = {}] = await askHere('filer-client', home, ['messages']);
  return (messages as Line[]).map(({ text }) => String(text));
}

async function queuedAt(home: string): Promise<Line[]> {
  const [{ queued } = {}] = await askHere('filer-client', home, ['messages', '--queued']);
  return queued as Line[];
}

test('a message to who is offline names --queue, and with it waits on disk until it is cancelled or delivered', async () => {
  const refused = await alice.run('message', 'bob', 'not kept');
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain('--queue');

  const first = await alice.run('message', 'bob', 'first', '--queue');
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^queued for bob: /) as string });
  await alice.ask('message', 'bob', 'cancelled', '--queue');
  expect(await alice.ask('message', '@all', 'third', '--queue')).toMatchObject({
    reached: 0,
    queued: [{ name: 'bob' }],
  });
  const [one, two, three] = await queuedAt(alice.home);
  expect([one, two, three]).toMatchObject([
    { to: 'bob', text: 'first', state: 'waiting' },
    { to: 'bob', text: 'cancelled', target: 'bob' },
    { to: 'bob', text: 'third', target: '@all' },
  ]);
  expect(first.stderr).toContain(`--delete ${String(one?.['id']).slice(0, 8)}`);
  expect((await alice.run('messages', '--queued', '--delete', String(two?.['id']))).code).toBe(2);
  expect(await alice.ask('messages', '--queued', '--delete', String(two?.['id']), '--yes')).toMatchObject({
    count: 1,
  });

  bob = await network.start(bob.home);
  await until(
    () => textsAt(bob.home),
    (texts) => texts.length >= 2,
  );
  expect(await textsAt(bob.home)).toEqual(['first', 'third']);
  await until(
    () => queuedAt(alice.home),
    (left) => left.length === 0,
  );
});

test('what is queued without a daemon is delivered by the next one, once', async () => {
  await bob.connected();
  await alice.daemon.close();
  await bob.daemon.close();
  await askHere('filer-client', alice.home, ['message', 'bob', 'later', '--queue']);
  expect(await queuedAt(alice.home)).toHaveLength(1);
  bob = await (await network.start(bob.home)).connected();
  alice = await network.start(alice.home);
  await until(
    () => queuedAt(alice.home),
    (left) => left.length === 0,
  );
  expect((await textsAt(bob.home)).filter((text) => text === 'later')).toHaveLength(1);
});

test('what its recipient refuses for good is said, and does not wait', async () => {
  await network.join('gone');
  await alice.sees('gone', () => true);
  await alice.ask('message', 'gone', 'x', '--queue');
  await network.askServer('remove', 'gone', '--yes');
  await until(
    () => queuedAt(alice.home),
    ([text]) => text?.['state'] !== 'waiting',
  );
  expect(await queuedAt(alice.home)).toMatchObject([{ to: 'gone', state: 'failed' }]);
  await alice.ask('messages', '--queued', '--delete', '--all', '--yes');
  expect(await queuedAt(alice.home)).toEqual([]);
});

test('a full disk at the recipient or a failing database here is waited out, by one delivery at a time', async () => {
  await network.join('dora');
  await askHere('filer-client', network.home('dora'), ['peers']);
  using member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('dora') }));
  const peer = member.directory.peers().find(({ name }) => name === 'bob')?.id ?? '';
  const text = {
    id: randomBytes(16).toString('base64url'),
    network: member.network,
    peer,
    name: 'bob',
    to: peer,
    text: 'x',
    time: 1,
  };
  member.queuedTexts.add([text]);
  await using pair = await connect(TCP);
  const near = new Session(pair.near);
  const steps: string[] = [];
  let isFull = true;
  new Session(pair.far, () => {
    steps.push('answered');
    if (isFull) throw new FilerError('no-space', 'the disk is full');
    return { header: { type: 'ok' } };
  });
  const access = {
    session: () => Promise.reject(new Error('not asked')),
    current: undefined,
    problem: undefined,
    overLoopback: true,
    upToDate: () => Promise.resolve(),
    refresh: () => Promise.resolve(),
    kickSpool: () => undefined,
  };
  const courier = new TextCourier({
    outreach: { member, access, software: '0.0.0' },
    sessionWith: () => {
      steps.push('asked');
      return near;
    },
    log: await createLogger({ stream: { write: () => undefined } }),
  });

  const stop = new AbortController();
  const three = [1, 2, 3].map(() => courier.deliver(peer));
  const impatient = courier.deliver(peer, stop.signal);
  stop.abort(new Error('enough'));
  await impatient;
  expect(steps).toEqual(['asked']);
  await Promise.all(three);
  expect(steps).toEqual(['asked', 'answered', 'asked', 'answered', 'asked', 'answered']);
  expect(member.queuedTexts.all()).toMatchObject([
    { state: 'waiting', reason: expect.stringContaining('disk is full') as string },
  ]);

  isFull = false;
  vi.spyOn(member.queuedTexts, 'remove').mockImplementationOnce(() => {
    throw new FilerError('store-damaged', 'cannot be written');
  });
  await courier.deliver(peer);
  expect(member.queuedTexts.all()).toMatchObject([{ state: 'waiting' }]);
  await courier.deliver(peer);
  expect(member.queuedTexts.all()).toEqual([]);
  await courier.close();
});

test('a thousand wait for one machine, and one more is refused', () => {
  using database = openDatabase(join(network.folder, 'bounds.db'));
  const store = new QueuedTextStore(database);
  const text = (id: number) => ({
    id: String(id),
    network: 'N',
    peer: 'B',
    name: 'b',
    to: 'B',
    text: '',
    time: 1,
  });
  store.add(Array.from({ length: 1_000 }, (_, id) => text(id)));
  expect(() => store.add([text(1_000)])).toThrow(expect.objectContaining({ code: 'spool-full' }));
  expect(store.all()).toHaveLength(1_000);
});

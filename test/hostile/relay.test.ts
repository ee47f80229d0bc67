import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  encodeFrame,
  FilerError,
  MAX_REACHED,
  MAX_REACHED_PER_PEER,
  MAX_RELAYED_PER_PEER,
  punchMessage,
  CONTACT_AT_ONCE,
  contactAnswerMessage,
  contactMessage,
  type Contacted,
} from '@filer/protocol';
import { createLogger, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ReachedHere } from '../../apps/filer-client/src/network/reached-here.ts';
import { Member } from '../../apps/filer-client/src/network/member.ts';
import { runHere } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { comesBack, TestMember, type MemberConnection } from '../support/test-member.ts';

let network: NetworkHere;
let anna: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  await network.add('ben');
  await anna.sees('ben');
});
afterAll(() => network[Symbol.asyncDispose]());

/** A connection to the server's port that says this first; resolves when the server has ended it. */
async function endedAfter(first: Buffer): Promise<Buffer> {
  const socket = connect(network.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = Buffer.alloc(0);
  socket
    .on('error', () => undefined)
    .on('data', (piece: Buffer) => (answer = Buffer.concat([answer, piece])));
  socket.write(first);
  await once(socket, 'close');
  return answer;
}

const frame = (header: Record<string, string>): Buffer => encodeFrame(header);

test.each([
  ['a token that was never given', frame({ type: 'relay', token: 'x'.repeat(43) })],
  ['an address in its place', frame({ type: 'relay', host: '127.0.0.1', port: '22' })],
  ['another message', frame({ type: 'hello' })],
  ['a long header', Buffer.from('0000ffff00000000', 'hex')],
  ['a content', encodeFrame({ type: 'relay', token: 'x'.repeat(43) }, Buffer.from('x'))],
])('who names %s to the relay is ended without a word', async (_, first) => {
  expect(await endedAfter(first)).toEqual(Buffer.alloc(0));
});

/** Two members that are connected, and nothing else. */
async function twoMembers(name: string): Promise<readonly [MemberConnection, MemberConnection]> {
  const [a, b] = [
    await TestMember.join(await network.invite(), `${name}-a`),
    await TestMember.join(await network.invite(), `${name}-b`),
  ];
  const both = [await a.connect(), await b.connect()] as const;
  onTestFinished(async () => void (await Promise.all(both.map((each) => each.close()))));
  return both;
}

const ask = async (asker: MemberConnection, peer: string, ways: { relay?: boolean; punch?: boolean }) =>
  contactAnswerMessage.parse(await asker.session.ask(contactMessage.format({ relay: false, peer, ...ways })));

/** Connects to the relay with a token. */
function relayed(token: string): Socket {
  const socket = connect(network.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(frame({ type: 'relay', token }));
  return socket;
}

test('a token joins two connections once; after that it admits nothing', async () => {
  const [a, b] = await twoMembers('once');
  const { relay: token = '' } = await ask(a, b.member.id, { relay: true });
  await b.until(() => b.reached.length > 0);
  const [told] = b.reached;
  expect(told).toMatchObject({ peer: a.member.id, server: a.member.server.id });

  const [one, other] = [relayed(token), relayed(told?.relay ?? '')];
  one.write('as it is');
  const [came] = (await once(other, 'data')) as [Buffer];
  expect(came.toString()).toBe('as it is');
  expect(await endedAfter(frame({ type: 'relay', token }))).toEqual(Buffer.alloc(0));
  expect(await endedAfter(frame({ type: 'relay', token: told?.relay ?? '' }))).toEqual(Buffer.alloc(0));
  other.end('still joined');
  const [answer] = (await once(one, 'data')) as [Buffer];
  expect(answer.toString()).toBe('still joined');
});

test('one machine asks for so many pairs, and those that it does not use do not count when they cannot be told', async () => {
  const [a, b] = await twoMembers('many');
  const away = await TestMember.join(await network.invite(), 'away');
  for (let n = 0; n <= MAX_RELAYED_PER_PEER; n++)
    await expect(ask(a, away.id, { relay: true })).rejects.toMatchObject({ code: 'refused' });
  for (let n = 0; n < MAX_RELAYED_PER_PEER; n++) await ask(a, b.member.id, { relay: true });
  await expect(ask(a, b.member.id, { relay: true })).rejects.toMatchObject({ code: 'too-many-connections' });
  expect(await ask(b, a.member.id, { relay: true })).toMatchObject({ relay: expect.any(String) });
});

test('who is no other member cannot be reached, and who asks too often is told so', async () => {
  const [a, b] = await twoMembers('often');
  for (const peer of [a.member.id, 'A'.repeat(52)])
    await expect(ask(a, peer, { relay: true })).rejects.toMatchObject({ code: 'refused' });
  const asked = Array.from({ length: CONTACT_AT_ONCE }, () => ask(a, b.member.id, { punch: true }));
  await Promise.all(asked);
  await expect(ask(a, b.member.id, { punch: true })).rejects.toMatchObject({ code: 'rate-limited' });
});

test('a token to be dialled with belongs to one meeting, and addresses of this machine alone are not told', async () => {
  const [a, b] = await twoMembers('meet');
  const { punch: token = '' } = await ask(a, b.member.id, { punch: true });
  await b.until(() => b.reached.length > 0);
  const punch = (by: MemberConnection, with_: string) =>
    by.session.ask(punchMessage.format({ token: with_, rttMs: 1 }));

  await expect(punch(b, 'x'.repeat(43))).rejects.toMatchObject({ code: 'refused' });
  const both = await Promise.allSettled([punch(a, token), punch(b, b.reached[0]?.punch ?? '')]);
  for (const each of both) expect(each).toMatchObject({ reason: { code: 'refused' } });
  await expect(punch(a, token)).rejects.toMatchObject({ code: 'refused' });
});

test('waiting for a place uses up none of the times that a machine may ask', async () => {
  const [a, b] = await twoMembers('waits');
  for (let n = 0; n < MAX_RELAYED_PER_PEER; n++) await ask(a, b.member.id, { relay: true });
  const asked = Array.from({ length: CONTACT_AT_ONCE }, () => ask(a, b.member.id, { relay: true }));
  for (const each of await Promise.allSettled(asked))
    expect(each).toMatchObject({ reason: { code: 'too-many-connections' } });

  expect(await ask(a, b.member.id, { punch: true })).toMatchObject({ punch: expect.any(String) });
});

test('what is relayed for a machine ends when it is removed', async () => {
  const [a, b] = await twoMembers('removed');
  const { relay: token = '' } = await ask(a, b.member.id, { relay: true });
  await b.until(() => b.reached.length > 0);
  const [one, other] = [relayed(token), relayed(b.reached[0]?.relay ?? '')];
  one.write('x');
  await once(other, 'data');
  const both = [once(one, 'close'), once(other, 'close')];
  other.resume();
  one.resume();
  expect(await network.runServer('remove', 'removed-b', '--yes')).toMatchObject({ code: 0 });
  await Promise.all(both);
});

test('a server that does not relay says so, and brings machines together all the same', async () => {
  await using quiet = await NetworkHere.open({ relay: false });
  const member = await TestMember.join(await quiet.invite(), 'member');
  const other = await TestMember.join(await quiet.invite(), 'other');
  await using connection = await member.connect();
  await using _other = await other.connect();

  expect(connection.welcome.features).toEqual(['punch', 'relay-at']);
  await expect(ask(connection, other.id, { relay: true })).rejects.toMatchObject({ code: 'unsupported' });
  expect(await ask(connection, other.id, { punch: true })).toMatchObject({ punch: expect.any(String) });
});

test('a relay that changes a byte costs a connection: the file arrives as it is', async () => {
  await using proxy = await TcpProxy.open(`127.0.0.1:${network.port}`, 'forth');
  const carol = await network.join('carol');
  expect(carol.code).toBe(0);
  await runHere('filer-client', network.home('carol'), ['server', proxy.address]);
  const there = await (await network.start(network.home('carol'))).connected();
  await there.sees('ben');
  const file = join(network.folder, 'big.bin');
  const content = Buffer.from(
    Array.from({ length: 3_000_000 / 4 }, (_, n) => `${n % 10_000}`.padStart(4, '0')).join(''),
  );
  await writeFile(file, content);
  proxy.flipBitAt(1_500_000);
  const done = await there.ask('send', file, '--to', 'ben', '--relay-only');

  expect(done).toMatchObject({ ok: true, recipients: [{ connection: 'relayed by ip-server' }] });
  expect(proxy.connections).toBeGreaterThan(2);
  expect(await readFile(join(network.home('ben'), 'inbox', 'carol', 'big.bin'))).toEqual(content);
});

test('a server that names machines without end has this one open so many connections', async () => {
  await network.join('dora');
  const home = resolveHome('filer-client', { FILER_HOME: network.home('dora') });
  using member = await Member.open(home);
  const nothing = (): Promise<never> => Promise.reject(new FilerError('server-unreachable', 'away'));
  const access = {
    session: nothing,
    current: undefined,
    problem: undefined,
    overLoopback: true,
    upToDate: nothing,
    refresh: nothing,
    kickSpool: () => undefined,
  };
  const here = new ReachedHere({
    outreach: { member, access, software: '0' },
    accept: (socket) => void socket.destroy(),
    log: await createLogger({ stream: { write: () => true } }),
  });
  const { id: server } = member.server;
  const told = (peer: string): Contacted => ({ peer, server, relay: 'x'.repeat(43) });
  for (let n = 0; n < 2 * MAX_REACHED_PER_PEER; n++) here.meet(told(`${'B'.repeat(51)}A`));
  expect(here.size).toBe(MAX_REACHED_PER_PEER);
  for (let n = 0; n < 2 * MAX_REACHED; n++) here.meet(told(`${'C'.repeat(47)}${2000 + n}A`));
  expect(here.size).toBe(MAX_REACHED);
  here.close();
  while (here.size > 0) await new Promise(setImmediate);
});

test('machines that come back in the same second are all let in', async () => {
  const link = await network.invite('--uses', '16');
  const members: TestMember[] = [];
  for (let n = 0; n < 16; n++) members.push(await TestMember.join(link, `back-${n}`));
  const connections = await Promise.all(members.map(comesBack));
  onTestFinished(async () => void (await Promise.all(connections.map((each) => each.close()))));

  for (const connection of connections)
    expect(await ask(connection, anna.daemon.id, { punch: true })).toMatchObject({
      punch: expect.any(String),
    });
});

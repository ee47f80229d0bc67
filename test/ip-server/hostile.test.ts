import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connectDaemon, resolveHome } from '@filer/program';
import {
  createIdentity,
  dial,
  encodeFrame,
  MAX_CONTENT_BYTES,
  MAX_HELLO_BYTES,
  sayHello,
  Session,
  unauthenticatedMessenger,
} from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contract } from '../../apps/ip-server/src/api/contract.ts';
import { RunningServer } from '../support/ip-server.ts';
import { helloOf, TestMember } from '../support/test-member.ts';

describe('bytes that are not our protocol', () => {
  let server: RunningServer;
  let honest: TestMember;
  beforeAll(async () => {
    server = await RunningServer.start();
    honest = await TestMember.join(await server.invite(), 'honest');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function raw(): Promise<Socket> {
    const socket = connect(server.port, server.host);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  async function expectHonestToWork(): Promise<void> {
    await using connection = await honest.connect();
    await expect(connection.report(Date.now())).resolves.toBeDefined();
  }

  test.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a plaintext frame', encodeFrame({ type: 'hello' })],
    ['zeros', Buffer.alloc(4_096)],
    [
      'half a TLS record and nonsense',
      Buffer.concat([Buffer.from('1603010200', 'hex'), Buffer.alloc(512, 7)]),
    ],
  ])('%s costs one log line and its own connection', async (_, bytes) => {
    const lines = (): number => server.daemon.stderr.split('connection refused').length;
    const before = lines();
    const socket = await raw();
    socket.write(bytes);
    socket.resume();
    await once(socket, 'close');

    await server.daemon.said(/connection refused/);
    expect(lines() - before).toBeLessThanOrEqual(1);
    await expectHonestToWork();
  });

  test('a machine that only wants to join cannot send a large document', async () => {
    const { host, port } = server;
    const identity = await createIdentity();
    const messenger = unauthenticatedMessenger(
      await dial({ transport: 'tls', host, port, identity, expect: server.id }),
    );
    await sayHello(messenger, helloOf(honest.network, { role: 'join' }));
    const session = new Session(messenger);
    await session.notify({ type: 'enrol', name: 'x' }, Buffer.alloc(MAX_HELLO_BYTES + 1));

    expect(await session.closed).toMatchObject({ code: 'frame-too-large' });
  });

  test('a machine that only wants to join is read no further when it says much more than joining takes', async () => {
    const { host, port } = server;
    const identity = await createIdentity();
    const link = await dial({ transport: 'tls', host, port, identity, expect: server.id });
    const messenger = unauthenticatedMessenger(link);
    await sayHello(messenger, helloOf(honest.network, { role: 'join' }));
    const session = new Session(messenger);
    const content = Buffer.alloc(10_000, '[');
    for (let n = 0; n < 100; n++) await session.notify({ type: 'enrol' }, content).catch(() => undefined);

    expect(await session.closed).toMatchObject({ code: 'rate-limited' });
    await expectHonestToWork();
  });

  test('a machine that only wants to join is told nothing of the network, and has few questions', async () => {
    const { host, port } = server;
    const identity = await createIdentity();
    const link = await dial({ transport: 'tls', host, port, identity, expect: server.id });
    const messenger = unauthenticatedMessenger(link);
    const welcome = await sayHello(messenger, helloOf(honest.network, { role: 'join' }));
    const session = new Session(messenger);
    for (let n = 0; n < 7; n++) await session.request({ type: 'peers' }).catch(() => undefined);

    expect(Object.keys(welcome).toSorted()).toEqual([
      'features',
      'network',
      'removals',
      'software',
      'version',
    ]);
    expect(welcome.removals).toBe(0);
    expect(await session.closed).toMatchObject({ code: 'rate-limited' });
  });

  test.each(['record', 'report', 'broadcast'])('a %s of 16 MiB from a member is not read', async (type) => {
    await using connection = await honest.connect();
    const header = { type, spool: 'a'.repeat(32), seq: '1', kind: 'user', time: '1' };
    const asked = connection.session.request(header, Buffer.alloc(MAX_CONTENT_BYTES, '['));

    await expect(asked).rejects.toMatchObject({
      message: expect.stringContaining('the limit is') as unknown,
    });
  });

  test('a connection for a transfer is no presence, and says what it is for', async () => {
    const asDaemon = honest.connect({ hello: { purpose: 'transfer' } });
    await expect(asDaemon).rejects.toMatchObject({ code: 'message-malformed' });

    const { session } = await honest.connect({ role: 'command', hello: { purpose: 'transfer' } });
    await expect(session.request({ type: 'constructor' })).rejects.toMatchObject({ code: 'unsupported' });
    expect(await session.closed).toBeUndefined();
    await expectHonestToWork();
  });

  test('a port scanner and silent connections keep no one out', async () => {
    const scanners = await Promise.all(Array.from({ length: 50 }, raw));
    for (const socket of scanners) socket.destroy();
    const silent = await Promise.all(Array.from({ length: 100 }, raw));

    await using connection = await honest.connect();
    await expect(connection.report(Date.now())).resolves.toBeDefined();
    for (const socket of silent) socket.destroy();
  });

  test.each([
    ['a ping before its hello', encodeFrame({ type: 'ping' }), 'unexpected-message'],
    ['a first message that is no hello', encodeFrame({ type: 'heartbeat' }), 'unexpected-message'],
    ['a header over its limit', Buffer.from('00020000000000007b7d', 'hex'), 'frame-too-large'],
    ['a content over the limit of a stranger', Buffer.from('0000000000100000', 'hex'), 'frame-too-large'],
    ['a header that is no object', Buffer.from('000000025b5d0000', 'hex'), 'frame'],
  ])('%s over TLS is answered with one error, and closed', async (_, bytes, code) => {
    const { host, port, id } = honest.server;
    const link = await dial({ transport: 'tls', host, port, identity: await createIdentity(), expect: id });
    const messenger = unauthenticatedMessenger(link);
    messenger.post(bytes);
    const answers = [];
    for await (const { header } of messenger) answers.push(header);

    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatchObject({ type: 'error', code: expect.stringContaining(code) as unknown });
    await expectHonestToWork();
  });

  test('a member that breaks the protocol loses its own connection only', async () => {
    await using bystander = await honest.connect({ role: 'command' });
    const breaking = await honest.connect({ role: 'command' });
    breaking.session.messenger.post(Buffer.from('ffffffffffffffff', 'hex'));

    expect(await breaking.session.closed).toMatchObject({ code: 'frame-too-large' });
    await bystander.report(Date.now());
  });
});

test('a machine that never reads is closed, and the others get every broadcast meanwhile', async () => {
  await using server = await RunningServer.start();
  const link = await server.invite('--uses', '2');
  await using reader = await (await TestMember.join(link, 'reader')).connect();
  const slow = await (await TestMember.join(link, 'slow')).connect();
  slow.session.messenger.socket.pause();
  const control = await connectDaemon(resolveHome('ip-server', { IP_SERVER_HOME: server.home }));
  if (control === undefined) throw new Error('the server runs');
  const text = 'x'.repeat(16_000);
  let reached = 2;
  let sent = 0;
  for (; reached === 2 && sent < 3_000; sent++) {
    ({ reached } = await control.call(contract.broadcast, { text }));
  }
  await control.close();
  await reader.until(() => reader.texts.length === sent);

  expect(reached).toBe(1);
  expect(server.daemon.stderr).toContain('too-slow');
  slow.vanish();
});

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createIdentity,
  encodeFrame,
  Server,
  type FilerError,
  type Identity,
  type Messenger,
} from '@filer/protocol';
import { MAX_READ_FREELY } from '../../packages/protocol/src/limits.ts';
import { connectBare, type BareTls } from './key-updates.ts';

const ours = await createIdentity();
/** More than `TLS_OVERHEAD_BYTES` of records with 27 bytes. */
const TOO_MANY = 3_000;

/** Admits who says something, and answers the same. */
class Echo extends Server {
  readonly ended = Promise.withResolvers<FilerError | undefined>();
  readonly refused: string[] = [];
  readonly sockets: Socket[] = [];

  protected override onClosed(_: Messenger, __: number, reason: FilerError | undefined): void {
    this.ended.resolve(reason);
  }

  protected override async serve(messenger: Messenger): Promise<void> {
    this.sockets.push(messenger.socket);
    for await (const { header } of messenger) {
      this.admit(messenger);
      await messenger.send(header);
    }
  }
}

let server: Echo;
let bare: BareTls;
let port: number;
let theirs: Identity;
beforeEach(async () => {
  theirs = await createIdentity();
  server = new Echo();
  await server.open(
    { transport: 'tls', host: '127.0.0.1', port: 0, identity: ours },
    { onRefused: (_, why) => server.refused.push(why) },
  );
  port = 'port' in server.addr ? server.addr.port : 0;
  bare = await connectBare(port, '127.0.0.1', theirs);
});
afterEach(async () => {
  bare.raw.destroy();
  await server.stop();
});

function changeKeys(count: number, asks = true): void {
  bare.raw.write(Buffer.concat(Array.from({ length: count }, () => bare.keyUpdate(asks))));
}

async function beAdmitted({ tls } = bare): Promise<void> {
  tls.write(encodeFrame({ type: 'hello' }));
  await once(tls, 'data');
}

test('a member whose connection was handed over loses it for thousands of changes, too', async () => {
  const own = new Echo();
  await own.open({ transport: 'tls', host: '127.0.0.1', port: 0, identity: ours });
  const relay = createServer((socket) => own.accept(Duplex.from(socket), 'relay'));
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  bare.raw.destroy();
  bare = await connectBare((relay.address() as AddressInfo).port, '127.0.0.1', theirs);
  await beAdmitted();
  changeKeys(TOO_MANY);

  const reason = await own.ended.promise;
  expect(reason?.cause).toMatchObject({ code: 'rate-limited' });
  relay.close();
  await own.stop();
});

test('a member may change its keys, and ask for as many changes', async () => {
  await beAdmitted();
  changeKeys(100);
  bare.raw.write(bare.data(encodeFrame({ type: 'still here' })));
  const [answer] = (await once(bare.tls, 'data')) as [Buffer];
  expect(answer.toString()).toContain('still here');
});

test.each([
  ['asks for', true],
  ['makes', false],
])('a member that %s thousands of them loses its connection', async (_, asks) => {
  await beAdmitted();
  changeKeys(TOO_MANY, asks);
  await once(bare.raw.resume(), 'close');
  expect(await server.ended.promise).toMatchObject({ code: 'connection-closed' });
});

test('a stranger that changes its keys thousands of times is ended long before its time is over', async () => {
  changeKeys(TOO_MANY);
  await once(bare.raw.resume(), 'close');
  await server.ended.promise;
  expect(server.refused.join()).toMatch(/^\d+ bytes came and 0 of them can be read$/);
});

test('it cannot come back for a while, which no other machine feels', async () => {
  await beAdmitted();
  changeKeys(TOO_MANY);
  await server.ended.promise;

  const again = await connectBare(port, '127.0.0.1', theirs);
  await once(again.raw.resume(), 'close');

  expect(server.refused).toEqual([expect.stringMatching('TLS keys')]);
  bare = await connectBare(port, '127.0.0.1', await createIdentity());
  await beAdmitted();
});

test('of many connections of one member some are read one in each turn of the event loop', async () => {
  const others = Array.from({ length: MAX_READ_FREELY + 3 }, () => connectBare(port, '127.0.0.1', theirs));
  const all = [bare, ...(await Promise.all(others))];
  for (const each of all) await beAdmitted(each);
  const inTurns = server.sockets.slice(MAX_READ_FREELY);
  const before = inTurns.map(({ bytesRead }) => bytesRead);
  for (const { tls } of all) tls.write(encodeFrame({ type: 'hello' }).subarray(0, 1));

  let [read, mostInOneTurn] = [0, 0];
  while (read < inTurns.length) {
    await nextTurn();
    const now = inTurns.filter(({ bytesRead }, at) => bytesRead > (before[at] ?? 0)).length;
    mostInOneTurn = Math.max(mostInOneTurn, now - read);
    read = now;
  }

  expect(inTurns).toHaveLength(4);
  expect(mostInOneTurn).toBe(1);
  for (const { raw } of all) raw.destroy();
});

test('there is no renegotiation', async () => {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['filer/1'] });
  await once(socket, 'secureConnect');
  const failure = await new Promise<Error | null>((resolve) => {
    socket.on('error', resolve);
    socket.renegotiate({}, resolve);
  });
  expect(failure).toMatchObject({ code: 'ERR_SSL_WRONG_SSL_VERSION' });
  socket.destroy();
});

test('of strangers that say something at the same time one is read in each turn of the event loop', async () => {
  const others = await Promise.all(Array.from({ length: 7 }, () => connectBare(port, '127.0.0.1', theirs)));
  while (server.sockets.length < 8) await nextTurn();
  for (const { tls } of [bare, ...others]) tls.write(encodeFrame({ type: 'hello' }).subarray(0, 1));
  let [read, mostInOneTurn] = [0, 0];
  while (read < 8) {
    await nextTurn();
    const now = server.sockets.filter(({ bytesRead }) => bytesRead > 0).length;
    mostInOneTurn = Math.max(mostInOneTurn, now - read);
    read = now;
  }
  for (const { raw } of others) raw.destroy();

  expect(mostInOneTurn).toBe(1);
});

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeFrame } from '@filer/protocol';
import { onFirstRecord, type Beginning } from '../../packages/protocol/src/transport/first-record.ts';

const CLIENT_HELLO = Buffer.from('1603010008010000040303ffff', 'hex');

let server: Server;
let client: Socket;
let accepted: Socket;
beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay();
  const [socket] = (await once(server, 'connection')) as [Socket];
  accepted = socket;
});
afterEach(() => {
  client.destroy();
  accepted.destroy();
  server.close();
});

interface Verdict {
  readonly beginning: Beginning;
  readonly afterBytes: number;
}

/** What `onFirstRecord` says of these bytes, each piece once the one before it has come; undefined while it waits. */
async function verdictOn(pieces: readonly Buffer[], relays = true): Promise<Verdict | undefined> {
  let verdict: Verdict | undefined;
  onFirstRecord(accepted, relays, (beginning) => (verdict = { beginning, afterBytes: accepted.bytesRead }));
  let sent = 0;
  for (const piece of pieces) {
    client.write(piece);
    sent += piece.length;
    while (accepted.bytesRead < sent) await turn();
    for (let i = 0; i < 3; i++) await turn(); // 'readable' comes a turn later
  }
  return verdict;
}

test('a ClientHello counts when its last byte is there, and all bytes stay for the reader', async () => {
  const bytes = Buffer.concat([CLIENT_HELLO, Buffer.from('more')]);
  const verdict = await verdictOn([...bytes].map((byte) => Buffer.of(byte)));
  expect(verdict).toEqual({ beginning: { is: 'tls' }, afterBytes: CLIENT_HELLO.length });

  let read = '';
  accepted.on('data', (piece: Buffer) => (read += piece.toString('hex')));
  while (read.length < 2 * bytes.length) await turn();
  expect(read).toBe(bytes.toString('hex'));
});

test.each([
  ['text', Buffer.from('GET / HTTP/1.0\r\n\r\n')],
  ['another record of TLS', Buffer.from('1503010002010000', 'hex')],
  ['another message of the handshake', Buffer.from('16030100020200', 'hex')],
  ['a record that is longer than a record', Buffer.from('160301ffff0100', 'hex')],
  ['an empty record', Buffer.from('160301000001', 'hex')],
])('%s is no beginning', async (_, bytes) => {
  expect(await verdictOn([bytes])).toMatchObject({ beginning: { is: 'wrong' } });
});

const TOKEN = 'kf9yJ0m2c1Zx4QvT7sWb3nLhG8aRdE5uPiOqXjYtM6o';
const RELAY_FRAME = encodeFrame({ type: 'relay', token: TOKEN });

test('the frame of a relayed connection counts when it is whole, and what follows stays for the reader', async () => {
  const bytes = Buffer.concat([RELAY_FRAME, Buffer.from('more')]);
  const verdict = await verdictOn([...bytes].map((byte) => Buffer.of(byte)));
  expect(verdict).toEqual({ beginning: { is: 'relay', token: TOKEN }, afterBytes: RELAY_FRAME.length });

  let read = '';
  accepted.on('data', (piece: Buffer) => (read += piece.toString()));
  while (read.length < 4) await turn();
  expect(read).toBe('more');
});

test('it is no beginning where nothing is relayed', async () => {
  expect(await verdictOn([RELAY_FRAME], false)).toMatchObject({ beginning: { is: 'wrong' } });
});

test.each([
  ['without a header', Buffer.alloc(8)],
  ['with a header of 64 KiB', Buffer.from('0001000000000000', 'hex')],
  ['of another type', encodeFrame({ type: 'hello' })],
  ['without a token', encodeFrame({ type: 'relay' })],
  ['with a short token', encodeFrame({ type: 'relay', token: 'abc' })],
  ['with a content', encodeFrame({ type: 'relay', token: TOKEN }, Buffer.from('x'))],
  ['that is no JSON', Buffer.concat([Buffer.from('0000000400000000', 'hex'), Buffer.from('////')])],
])('a frame %s is no beginning', async (_, bytes) => {
  expect(await verdictOn([bytes])).toMatchObject({ beginning: { is: 'wrong' } });
});

test.each([
  ['nothing', []],
  ['a part of its head', [CLIENT_HELLO.subarray(0, 4)]],
  ['a part of it', [CLIENT_HELLO.subarray(0, 8)]],
])('one that sends %s waits, also when it ends there', async (_, pieces) => {
  expect(await verdictOn(pieces)).toBeUndefined();
  client.end();
  await once(accepted.resume(), 'close');
});

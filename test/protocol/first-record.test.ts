import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { onFirstRecord } from '../../packages/protocol/src/transport/first-record.ts';

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
  readonly problem: string | undefined;
  readonly afterBytes: number;
}

/** What `onFirstRecord` says of these bytes, each piece once the one before it has come; undefined while it waits. */
async function verdictOn(pieces: readonly Buffer[]): Promise<Verdict | undefined> {
  let verdict: Verdict | undefined;
  onFirstRecord(accepted, (problem) => (verdict = { problem, afterBytes: accepted.bytesRead }));
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
  expect(verdict).toEqual({ problem: undefined, afterBytes: CLIENT_HELLO.length });

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
  expect(await verdictOn([bytes])).toMatchObject({ problem: expect.any(String) });
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

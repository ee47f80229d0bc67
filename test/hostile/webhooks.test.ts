import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { webhookRoute } from '../../apps/ip-server/src/alarms/webhook.ts';

const TIMEOUT_MS = 300;
const OK = 'HTTP/1.1 200 OK\r\n';
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/** Writes the same again and again, as fast as it is taken. */
function pour(socket: Socket, text: string): void {
  const piece = text.repeat(Math.ceil(16_384 / text.length));
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  more();
}

const RECEIVERS: Readonly<Record<string, (socket: Socket) => void>> = {
  'says nothing': () => undefined,
  'cuts the connection': (socket) => socket.resetAndDestroy(),
  'answers something else than HTTP': (socket) => pour(socket, '\u0000\u00ff'),
  'drips its status line': (socket) => {
    let at = 0;
    const timer = setInterval(() => socket.write(OK[at++ % OK.length] ?? ''), 20);
    socket.once('close', () => clearInterval(timer));
  },
  'says endlessly that it continues': (socket) => pour(socket, 'HTTP/1.1 102 Processing\r\n\r\n'),
  'answers with endless headers': (socket) => {
    socket.write(OK);
    pour(socket, 'x: y\r\n');
  },
  'answers with an endless header': (socket) => {
    socket.write(`${OK}x: `);
    pour(socket, 'y');
  },
  'begins an answer and stops': (socket) => void socket.write(`${OK}content-length: 10\r\n\r\n`),
  'answers with endless chunks and a failure': (socket) => {
    socket.write('HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n');
    pour(socket, '1\r\nx\r\n');
  },
  'announces a chunk of 2^60 bytes': (socket) => {
    socket.write('HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n1000000000000000\r\n');
    pour(socket, 'x');
  },
  'sends it elsewhere': (socket) =>
    socket.end('HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
  'has its name in every header': (socket) =>
    socket.end('HTTP/1.1 500 No\r\n__proto__: 1\r\nconstructor: 1\r\ncontent-length: 0\r\n\r\n'),
};

test.each(Object.entries(RECEIVERS))(
  'a receiver of webhooks that %s costs at most its time',
  async (_, act) => {
    const server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      socket.once('data', () => act(socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = new URL(`http://127.0.0.1:${port}/`);
    const route = webhookRoute({
      url,
      secret: Buffer.alloc(24),
      software: '1',
      now: Date.now,
      timeoutMs: TIMEOUT_MS,
    });
    const alarm = { number: 1, id: 'alarm_1', payload: '{}' } as unknown as Parameters<
      typeof route.deliver
    >[0];

    const why = await route.deliver(alarm, new AbortController().signal);

    expect(why).toEqual(expect.any(String));
    expect(why?.length).toBeLessThan(200);
    // The connection is gone, whatever it still has to say.
    const [socket] = sockets;
    if (socket?.closed === false) await new Promise((resolve) => socket.resume().once('close', resolve));
    server.close();
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('x');
  },
);

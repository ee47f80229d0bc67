import { once } from 'node:events';
import { createServer, get, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { boundConnections } from '../../../packages/program/src/http/connections.ts';

async function serverWith(inAll: number, answer: (outgoing: ServerResponse) => void): Promise<number> {
  const server: Server = createServer((_, outgoing) => answer(outgoing));
  boundConnections(server, [], { perHolder: inAll, inAll });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function idle(port: number): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined).resume();
  onTestFinished(() => void socket.destroy());
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  return { socket, closed };
}

test('one connection more than there may be takes the place of the one that is idle longest', async () => {
  const port = await serverWith(2, (outgoing) => outgoing.end('well'));
  const first = await idle(port);
  const second = await idle(port);
  second.socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n'); // headers that do not end are idle, too
  const [answer] = (await once(get({ port, agent: false }), 'response')) as [{ statusCode: number }];
  expect(answer.statusCode).toBe(200);
  await first.closed;
  await idle(port);
  await idle(port);
  await second.closed;
});

test('none that waits for its answer gives way', async () => {
  const waiting: ServerResponse[] = [];
  const asked = Promise.withResolvers<void>();
  const port = await serverWith(1, (outgoing) => {
    waiting.push(outgoing);
    asked.resolve();
  });
  const asking = get({ port, agent: false });
  await asked.promise;
  const late = await idle(port);
  await late.closed;
  waiting[0]?.end('well');
  const [answer] = (await once(asking, 'response')) as [{ statusCode: number }];
  expect(answer.statusCode).toBe(200);
});

import { EventEmitter, once } from 'node:events';
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

/** Connections as a server tells of them, from addresses that this machine does not have. */
function told(perHolder: number, inAll: number, trusted: readonly string[] = []) {
  const server = new EventEmitter();
  boundConnections(server as Server, trusted, { perHolder, inAll });
  const open = new Set<EventEmitter>();
  let port = 1;
  const from = (remoteAddress: string) => {
    const socket = new EventEmitter();
    const destroy = (): void => {
      open.delete(socket);
      process.nextTick(() => socket.emit('close'));
    };
    Object.assign(socket, { remoteAddress, remotePort: port++, destroy });
    open.add(socket);
    server.emit('connection', socket);
    return socket;
  };
  const asks = (socket: EventEmitter): EventEmitter => {
    const outgoing = new EventEmitter();
    server.emit('request', { socket }, outgoing);
    return outgoing;
  };
  return { open, from, asks };
}

const address = (number: number): string => `198.51.100.${number}`;

test('many addresses have as many connections as there may be, and one more finds a place', async () => {
  const { open, from } = told(8, 16);
  for (let round = 0; round < 4; round++) for (let number = 0; number < 24; number++) from(address(number));
  expect(open.size).toBe(16);
  const late = from('203.0.113.1');
  expect([open.has(late), open.size]).toEqual([true, 16]);
  await new Promise(setImmediate); // those that gave way tell their end
  from('203.0.113.2');
  expect(open.size).toBe(16);
});

test('who has most gives way, with what is idle longest; who has as few does not', () => {
  const { open, from, asks } = told(3, 4);
  const [first, second, third] = [from('198.51.100.1'), from('198.51.100.1'), from('198.51.100.1')];
  const other = from('198.51.100.2');
  asks(first).emit('close');
  const late = from('198.51.100.3');
  expect([...open]).toEqual([first, third, other, late]); // the first was in work since
  expect(open.has(second)).toBe(false);
  const last = from('198.51.100.4');
  expect([...open]).toEqual([first, other, late, last]);
  const more = from('198.51.100.4'); // its own
  expect([...open]).toEqual([first, other, late, more]);
  asks(more);
  from('198.51.100.4');
  expect([...open]).toEqual([first, other, late, more]);
});

test('a proxy has its part of the same bound, and finds a place whatever it has', () => {
  const { open, from, asks } = told(2, 3, ['192.0.2.1']);
  const proxied = [from('192.0.2.1'), from('192.0.2.1'), from('192.0.2.1')];
  for (const each of proxied.slice(1)) asks(each);
  from('198.51.100.1');
  expect(open.size).toBe(3);
  from('192.0.2.1');
  expect(
    [...open].filter((each) => 'remoteAddress' in each && each.remoteAddress === '192.0.2.1'),
  ).toHaveLength(3);
});

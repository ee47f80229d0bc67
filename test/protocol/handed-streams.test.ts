import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { duplexPair, type Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createIdentity,
  dialOver,
  FilerError,
  listen,
  Messenger,
  unauthenticatedMessenger,
  type AcceptedLink,
  type Listener,
  type ListenOptions,
  type Message,
} from '@filer/protocol';
import { failureOf } from './outcome.ts';

const [ours, theirs] = await Promise.all([createIdentity(), createIdentity()]);
const towards = { identity: theirs, expect: ours.id, where: 'the relay' };

let listener: Listener;
let accepted: Promise<AcceptedLink>;
let refused: [string, string][];
let onRefusal: () => void;

async function open(options: Partial<ListenOptions> = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<AcceptedLink>();
  accepted = promise;
  listener = await listen(
    { transport: 'tls', host: '127.0.0.1', port: 0, identity: ours },
    {
      onConnection: resolve,
      onRefused: (remote, why) => {
        refused.push([remote, why]);
        onRefusal();
      },
      ...options,
    },
  );
}

beforeEach(() => {
  refused = [];
  onRefusal = () => undefined;
});
afterEach(() => listener.close());

function refusal(): Promise<void> {
  return new Promise((resolve) => (onRefusal = resolve));
}

/** Hands one end of a stream to the listener. @returns the other end */
function hand(remote = '192.0.2.7'): Duplex {
  const [near, far] = duplexPair();
  listener.accept(far, remote);
  return near;
}

async function unixPair(): Promise<[Socket, Socket]> {
  const path = join(await mkdtemp(join(tmpdir(), 'filer-')), 's');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const near = connect(path);
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [near, far];
}

async function next(messenger: Messenger): Promise<Message> {
  const result: IteratorResult<Message, unknown> = await messenger[Symbol.asyncIterator]().next();
  if (result.done === true) throw new Error('it has ended');
  return result.value;
}

test.each([
  ['a pair of streams in one process', () => Promise.resolve(duplexPair())],
  ['a Unix socket', unixPair],
])('messengers talk over %s, and both keys are proved', async (_, pair) => {
  await open();
  const [near, far] = await pair();
  listener.accept(far, 'relay');
  const dialled = unauthenticatedMessenger(await dialOver(near, towards), 'transfer');
  const link = await accepted;
  link.admit();
  const { socket, peerId, remote } = link;
  const answering = new Messenger(socket, { peerId, remote });
  const content = Buffer.alloc(1024 * 1024, 'x');

  await dialled.send({ type: 'a' }, content);
  const first = await next(answering);
  expect(first.content.equals(content)).toBe(true);
  await answering.send({ type: 'b' }, first.content);
  expect((await next(dialled)).content.equals(content)).toBe(true);
  expect([dialled.peerId, answering.peerId]).toEqual([ours.id, theirs.id]);
  expect(answering.addr).toMatch(/^relay:\d+$/);

  await dialled.close();
  await answering.closed;
  if (!far.closed) await once(far, 'close');
  expect(refused).toEqual([]);
});

test('a stream to another machine than the expected one is destroyed before a byte is said', async () => {
  await open();
  const near = hand();
  expect(await failureOf(dialOver(near, { ...towards, expect: theirs.id }))).toMatchObject({
    code: 'identity-mismatch',
  });
  expect(near.destroyed).toBe(true);
});

test('a stream on which nothing comes ends with the time, or with the signal', async () => {
  const [near, other] = [duplexPair()[0], duplexPair()[0]];
  await open();
  expect(await failureOf(dialOver(near, towards, { timeoutMs: 20 }))).toMatchObject({ code: 'timed-out' });
  const signal = AbortSignal.abort(new FilerError('interrupted', 'not wanted'));
  expect(await failureOf(dialOver(other, towards, { signal }))).toBe(signal.reason);
  expect([near.destroyed, other.destroyed]).toEqual([true, true]);
});

test('a handed stream that proves no key in time is destroyed and reported, like every connection', async () => {
  await open({ authenticationMs: 20 });
  const told = refusal();
  const [, far] = duplexPair();
  listener.accept(far, '192.0.2.7');
  await told;
  expect(refused).toEqual([['192.0.2.7', expect.stringContaining('0.02 s')]]);
  expect(far.destroyed).toBe(true);
});

test('a handed stream that begins with no ClientHello is refused', async () => {
  await open();
  const told = refusal();
  hand().write('GET / HTTP/1.1\r\n\r\n');
  await told;
  expect(refused).toEqual([['192.0.2.7', expect.stringContaining('ClientHello')]]);
});

test('handed streams of one address have the places of that address, and of all those of the listener', async () => {
  await open({ maxUnauthenticatedPerAddress: 2, maxConnections: 3 });
  const given: Duplex[] = [];
  for (let n = 0; n < 3; n++) {
    const [, far] = duplexPair();
    given.push(far);
    listener.accept(far, '192.0.2.7');
  }
  const [first, second, third] = given;
  expect([first?.destroyed, second?.destroyed, third?.destroyed]).toEqual([true, false, false]);
  await turn(); // 'close' comes a turn later

  const [more, tooMany] = [duplexPair()[1], duplexPair()[1]];
  listener.accept(more, '192.0.2.8');
  listener.accept(tooMany, '192.0.2.9');
  expect([more.destroyed, tooMany.destroyed]).toEqual([false, true]);
  expect(refused.map(([remote]) => remote)).toEqual(['192.0.2.7', '192.0.2.9']);
});

test('a closed listener accepts nothing', async () => {
  await open();
  await listener.close();
  const [, far] = duplexPair();
  listener.accept(far, '192.0.2.7');
  expect(far.destroyed).toBe(true);
});

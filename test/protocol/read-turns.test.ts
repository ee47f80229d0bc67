import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { PassThrough, type Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { ReadTurns } from '../../packages/protocol/src/transport/read-turns.ts';

/** Streams, and what writes to each. */
interface Pair {
  readonly stream: Duplex;
  readonly write: () => void;
}

async function accepted(count: number): Promise<Pair[]> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const pairs: Pair[] = [];
  while (pairs.length < count) {
    const client = connect(port, '127.0.0.1');
    await once(server, 'connection');
    const stream = sockets.at(-1);
    if (stream === undefined) throw new Error('it was accepted');
    pairs.push({ stream, write: () => void client.write('x') });
    onTestFinished(() => [client, stream].forEach((each) => each.destroy()));
  }
  onTestFinished(() => void server.close());
  return pairs;
}

/** Which of them were read, and in which turn of the event loop. */
async function readingOf(
  pairs: readonly Pair[],
  add: (turns: ReadTurns, stream: Duplex, at: number) => void,
): Promise<[number, number][]> {
  let turn = 0;
  const count = (): void => {
    turn++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const order: [number, number][] = [];
  const all = pairs.map(({ stream }, at) => once(stream, 'data').then(() => order.push([at, turn])));
  const turns = new ReadTurns();
  pairs.forEach(({ stream }, at) => add(turns, stream, at));
  // All of it is there before the next turn.
  setImmediate(() => pairs.forEach(({ write }) => write()));
  await Promise.all(all);
  clearImmediate(timer);
  return order;
}

test('several sockets are read one at a time, each in a turn of the event loop of its own', async () => {
  const order = await readingOf(await accepted(8), (turns, stream) => turns.add(stream, 'one'));

  expect(new Set(order.map(([, turn]) => turn)).size).toBe(8);
});

test('so are streams that are no sockets', async () => {
  const pairs = Array.from({ length: 4 }, () => new PassThrough()).map((stream) => {
    return { stream, write: () => void stream.write('x') };
  });
  const order = await readingOf(pairs, (turns, stream) => turns.add(stream, 'one'));

  // The first one was not stopped yet.
  expect(new Set(order.map(([, turn]) => turn)).size).toBeGreaterThanOrEqual(3);
});

test('a holder with one is not behind all of another', async () => {
  const order = await readingOf(await accepted(8), (turns, stream, at) => {
    turns.add(stream, at === 7 ? 'few' : 'many');
  });

  expect(order.findIndex(([at]) => at === 7)).toBeLessThan(3);
});

test('one that is held is not read, and the others do not wait for it', async () => {
  const [held, ...others] = await accepted(3);
  let came = false;
  held?.stream.once('data', () => (came = true));
  const order = await readingOf(others, (turns, stream, at) => {
    if (at === 0 && held !== undefined) {
      turns.add(held.stream, 'one');
      turns.hold(held.stream);
      held.write();
    }
    turns.add(stream, 'one');
  });

  expect(order).toHaveLength(2);
  expect(came).toBe(false);
});

test('one that was released, and the last when the others have ended, are read at once', async () => {
  const order = await readingOf(await accepted(3), (turns, stream, at) => {
    turns.add(stream, 'one');
    if (at === 1) turns.release(stream);
    else stream.once('data', () => stream.destroy());
  });

  expect(order).toHaveLength(3);
  expect(order.findIndex(([at]) => at === 1)).toBeLessThan(2);
});

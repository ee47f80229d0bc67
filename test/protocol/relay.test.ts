import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { MAX_RELAYED, MAX_RELAYED_PER_PEER, Relay, type RelayOptions } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';

/** Two ends of one connection: at the relay, and at a machine. */
async function connection(): Promise<{ readonly relay: Socket; readonly machine: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const machine = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [relay] = (await once(server, 'connection')) as [Socket];
  server.close();
  onTestFinished(() => {
    machine.destroy();
    relay.destroy();
  });
  machine.on('error', () => undefined);
  return { relay, machine };
}

function open(options: RelayOptions = {}): Relay {
  const relay = new Relay(options);
  onTestFinished(() => relay.close());
  return relay;
}

interface Joined {
  readonly a: Socket;
  readonly b: Socket;
}

async function join(relay: Relay, asker = 'A'): Promise<Joined> {
  const [first, second] = relay.issue(asker, 'other');
  const [a, b] = [await connection(), await connection()];
  expect(relay.accept(a.relay, first)).toBe(true);
  expect(relay.accept(b.relay, second)).toBe(true);
  return { a: a.machine, b: b.machine };
}

async function read(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of socket.iterator({ destroyOnReturn: false })) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/** Resolves when the relay has given a connection up. */
async function gone(socket: Socket): Promise<void> {
  socket.resume().once('end', () => socket.end());
  if (socket.readableEnded) socket.end();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

test('what one writes the other reads, what was written before it came too; an end ends its direction alone', async () => {
  const relay = open();
  const [first, second] = relay.issue('A', 'other');
  const [a, b] = [await connection(), await connection()];
  relay.accept(a.relay, first);
  a.machine.end('early and late');
  relay.accept(b.relay, second);

  expect(await read(b.machine)).toBe('early and late');
  b.machine.end('an answer after the end');
  expect(await read(a.machine)).toBe('an answer after the end');
});

test('one that does not read holds the other back: the relay keeps little of it', async () => {
  const { a, b } = await join(open());
  const piece = Buffer.alloc(1024 * 1024);
  let written = 0;
  // Until the buffers of both connections are full.
  while (written < 256) {
    written++;
    if (a.write(piece)) continue;
    const drained = once(a, 'drain').then(() => true);
    if (!(await Promise.race([drained, quiet(a)]))) break;
  }
  expect(written).toBeLessThan(64);

  const ended = read(b);
  a.end('!');
  expect((await ended).length).toBe(written * piece.length + 1);
});

/** Resolves with false when nothing of what was written goes out any more. */
async function quiet(socket: Socket): Promise<boolean> {
  for (let last = -1; last !== socket.bytesWritten - socket.writableLength;) {
    last = socket.bytesWritten - socket.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

test('when one is lost so is the other', async () => {
  const { a, b } = await join(open());
  a.write('x');
  await once(b, 'readable');
  a.resetAndDestroy();
  await gone(b);
  expect(b.destroyed).toBe(true);
});

test('a token admits once, and only while it is young', async () => {
  const relay = open({ tokenMs: 30 });
  const [one, again, other] = [await connection(), await connection(), await connection()];
  const [first, second] = relay.issue('A', 'other');

  expect(relay.accept(one.relay, first)).toBe(true);
  expect(relay.accept(again.relay, first)).toBe(false);
  expect(relay.accept(again.relay, 'x'.repeat(43))).toBe(false);
  await gone(one.machine); // its partner did not come in time
  expect(relay.accept(other.relay, second)).toBe(false);
  expect(relay.size).toBe(0);
});

test('one machine has so many at once, and places of others are theirs', async () => {
  const relay = open();
  for (let n = 0; n < MAX_RELAYED_PER_PEER - 1; n++) relay.issue('A', 'other');
  const { a, b } = await join(relay);
  expect(() => relay.issue('A', 'other')).toThrow(expect.objectContaining({ code: 'too-many-connections' }));
  expect(relay.issue('B', 'other')).toHaveLength(2);

  a.destroy();
  await gone(b);
  while (relay.size > MAX_RELAYED_PER_PEER) await new Promise(setImmediate);
  expect(relay.issue('A', 'other')).toHaveLength(2);
});

test('all machines together have so many', () => {
  const relay = open();
  const issue = (n: number): void => void relay.issue(`machine ${n}`, 'other');
  for (let n = 0; n < MAX_RELAYED; n++) issue(Math.floor(n / 2));
  for (const n of [0, MAX_RELAYED])
    expect(() => issue(n)).toThrow(expect.objectContaining({ code: 'too-many-connections' }));
});

test('a pair on which nothing passes is ended', async () => {
  const relay = open({ idleMs: 50 });
  const { a, b } = await join(relay);
  await Promise.all([gone(a), gone(b)]);
  while (relay.size > 0) await new Promise(setImmediate);
  expect(b.destroyed).toBe(true);
});

test('a machine that has used up its day is refused, and its pair is ended', async () => {
  const relay = open({ bytesPerDay: 100_000 });
  const { a, b } = await join(relay);
  a.write(Buffer.alloc(200_000));
  await Promise.all([gone(a), gone(b)]);

  expect(() => relay.issue('A', 'other')).toThrow(expect.objectContaining({ code: 'rate-limited' }));
  expect(relay.issue('B', 'other')).toHaveLength(2);
});

test('a machine is held to its rate', async () => {
  const { a, b } = await join(open({ bytesPerSecond: 1_000_000 }));
  const begun = performance.now();
  const got = read(b);
  a.end(Buffer.alloc(2_300_000));

  expect((await got).length).toBe(2_300_000);
  expect(performance.now() - begun).toBeGreaterThan(150); // two seconds' worth may come at once
});

test('what was relayed is counted, and nothing else is known of it', async () => {
  const ended = Promise.withResolvers<readonly [string, number]>();
  const relay = open({ onEnded: (asker, bytes) => ended.resolve([asker, bytes]) });
  const { a, b } = await join(relay);
  a.end('12345');
  b.end('678');
  await Promise.all([read(a), read(b)]);
  expect(await ended.promise).toEqual(['A', 8]);
});

test('a relay that closes ends all of it', async () => {
  const relay = open();
  const { a, b } = await join(relay);
  const [first] = relay.issue('A', 'other');
  const waiting = await connection();
  relay.accept(waiting.relay, first);
  relay.close();
  await Promise.all([gone(a), gone(b), gone(waiting.machine)]);
  while (relay.size > 0) await new Promise(setImmediate);
  expect(waiting.machine.destroyed).toBe(true);
});

test.each(['A', 'other'])(
  'what is relayed for %s ends with its membership, and its tokens admit nothing',
  async (machine) => {
    const relay = open();
    const { a, b } = await join(relay);
    const [first] = relay.issue('A', 'other');
    const [one, unused] = [await connection(), relay.issue('B', 'C')];
    relay.end((id) => id === machine);
    await Promise.all([gone(a), gone(b)]);
    while (relay.size > 1) await new Promise(setImmediate);

    expect(relay.accept(one.relay, first)).toBe(false);
    expect(relay.accept(one.relay, unused[0])).toBe(true);
  },
);

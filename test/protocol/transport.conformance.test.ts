import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MAX_UNREAD_BYTES,
  Messenger,
  Server,
  dial,
  encodeFrame,
  listen,
  type Endpoint,
  type Message,
} from '@filer/protocol';
import { failureOf } from './outcome.ts';
import { datagramCases } from '../sockets/datagram-cases.ts';
import { streamCases } from '../sockets/stream-cases.ts';
import { WIRES, accepted, collect, connect, gone, nextOf, until } from './wires.ts';

const MiB = 1 << 20;

/** Answers every message with itself. */
class Echo extends Server {
  protected override async onMessage(messenger: Messenger, { header, content }: Message): Promise<void> {
    await messenger.send(header, content);
  }
}

describe.concurrent.each(WIRES)('$name', (wire) => {
  const open = async (
    server: Server,
    options?: Parameters<Server['open']>[1],
  ): Promise<{ server: Server; endpoint: Endpoint }> => {
    const place = await wire.place();
    await server.open(place, options);
    return { server, endpoint: wire.towards(place, { address: server.addr }) };
  };

  test('messages cut anywhere come back whole', async () => {
    const message = fc.record({
      type: fc.stringMatching(/^[a-z]{1,10}$/),
      content: fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12 }),
        async (sent, sizes) => {
          await using pair = await connect(wire);
          const bytes = Buffer.concat(sent.map(({ type, content }) => encodeFrame({ type }, content)));
          let at = 0;
          for (const size of [...sizes, bytes.length]) {
            const piece = bytes.subarray(at, at + size);
            at += size;
            if (piece.length > 0) await new Promise((resolve) => pair.near.socket.write(piece, resolve));
          }
          pair.near.socket.end();
          const received = await collect(pair.far);
          expect(received.map(({ header, content }) => ({ type: header['type'], content }))).toEqual(sent);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('messages pass both ways, and both ends count them', async () => {
    await using pair = await connect(wire);
    await pair.near.send({ type: 'question' }, Buffer.from('?'));
    for await (const { header, content } of pair.far) {
      expect([header['type'], content.toString()]).toEqual(['question', '?']);
      expect(pair.far.header).toBe(header);
      expect(pair.far.body).toBe(content);
      break;
    }
    await pair.far.send({ type: 'answer' });
    expect((await nextOf(pair.near)).header['type']).toBe('answer');
    expect(pair.near.sentBytes).toBe(pair.far.receivedBytes);
    expect(pair.far.sentBytes).toBe(pair.near.receivedBytes);
    expect(pair.near.sendTime).toBeGreaterThan(0);
    expect(pair.near.recvTime).toBeGreaterThanOrEqual(pair.near.sendTime);
  });

  test('closing twice ends once, in order, on both sides', async () => {
    await using pair = await connect(wire);
    await pair.near.send({ type: 'last' });
    await Promise.all([pair.near.close(), pair.near.close()]);
    await pair.near.close();
    expect((await collect(pair.far)).map(({ header }) => header['type'])).toEqual(['last']);
    expect(await pair.near.closed).toBeUndefined();
    expect(await pair.far.closed).toBeUndefined();
    expect((await failureOf(pair.near.send({ type: 'late' }))).code).toBe('connection-closed');
  });

  test('what was sent before a close arrives, however much it is', async () => {
    await using pair = await connect(wire);
    const sent = pair.near.send({ type: 'large' }, Buffer.alloc(8 * MiB, 5));
    const closed = pair.near.close();
    const [large] = await collect(pair.far);
    expect(large?.content).toHaveLength(8 * MiB);
    await Promise.all([sent, closed]);
  });

  test('a close ends in bounded time although the other side reads nothing', async () => {
    const place = await wire.place();
    const { onConnection, next } = accepted();
    const listener = await listen(place, { onConnection });
    const near = new Messenger((await dial(wire.towards(place, listener))).socket);
    const { socket } = await next;
    const sent = failureOf(near.send({ type: 'large' }, Buffer.alloc(16 * MiB)));
    await near.close();
    expect((await sent).code).toBe('connection-closed');
    socket.destroy();
    await listener.close();
  });

  test('a peer that vanishes ends the iteration and fails what is being sent', async () => {
    await using pair = await connect(wire);
    const sends = Array.from({ length: 2 }, () =>
      failureOf(pair.near.send({ type: 'chunk' }, Buffer.alloc(16 * MiB))),
    );
    const last = sends.at(-1);
    const received = collect(pair.near);
    await until(() => pair.far.receivedBytes > 0);
    pair.far.destroy();
    expect((await last)?.code).toBe('connection-closed');
    expect(await received).toEqual([]);
    expect((await failureOf(pair.near.send({ type: 'more' }))).code).toBe('connection-closed');
    expect(pair.near.open).toBe(false);
    await Promise.allSettled(sends);
  });

  test('an end inside a message is told as such', async () => {
    await using pair = await connect(wire);
    const frame = encodeFrame({ type: 'whole' }, Buffer.from('content'));
    pair.near.socket.write(frame);
    pair.near.socket.end(frame.subarray(0, frame.length - 1));
    expect(await collect(pair.far)).toHaveLength(1);
    const reason = await pair.far.closed;
    expect(reason?.code).toBe('connection-closed');
    expect(reason?.message).toContain('ended the connection inside a message');
  });

  test('an end between two messages is in order', async () => {
    await using pair = await connect(wire);
    pair.near.socket.end(encodeFrame({ type: 'whole' }));
    expect(await collect(pair.far)).toHaveLength(1);
    expect(await pair.far.closed).toBeUndefined();
  });

  test('a sender waits for a reader that does not read, and little piles up', async () => {
    await using pair = await connect(wire);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64; sent++) await pair.near.send({ type: 'chunk' }, Buffer.alloc(MiB, sent));
    })();
    await until(() => pair.far.socket.isPaused());
    for (let turns = 0; turns < 100; turns++) await turn();

    expect(sent).toBeLessThan(40);
    expect(pair.near.socket.writableLength).toBeLessThan(2 * MiB);
    expect(pair.far.receivedBytes).toBeLessThan(MAX_UNREAD_BYTES + 2 * MiB);

    let received = 0;
    for await (const { content } of pair.far) {
      expect(content[0]).toBe(received);
      expect(pair.far.receivedBytes - received * MiB).toBeLessThan(MAX_UNREAD_BYTES + 3 * MiB);
      if (++received === 64) break;
    }
    await sending;
  });

  test('backpressure holds both ways at once', async () => {
    await using pair = await connect(wire);
    const exchange = async (messenger: Messenger): Promise<number> => {
      const sending = (async () => {
        for (let index = 0; index < 32; index++) await messenger.send({ type: 'chunk' }, Buffer.alloc(MiB));
      })();
      let received = 0;
      for await (const { content } of messenger) {
        received += content.length;
        if (received === 32 * MiB) break;
      }
      await sending;
      return received;
    };
    expect(await Promise.all([exchange(pair.near), exchange(pair.far)])).toEqual([32 * MiB, 32 * MiB]);
  });

  test('a sender that does not wait for a peer that does not read loses it as too slow', async () => {
    await using pair = await connect(wire, { near: { maxQueuedBytes: MiB } });
    const sends: Promise<unknown>[] = [];
    while (pair.near.open) {
      sends.push(pair.near.send({ type: 'chunk' }, Buffer.alloc(MiB / 2)).catch((error: unknown) => error));
      await turn();
    }
    expect((await pair.near.closed)?.code).toBe('too-slow');
    await expect(sends.at(-1)).resolves.toMatchObject({ code: 'too-slow' });
    await Promise.all(sends);
  });

  test('a listener that never reads is closed as too slow, and the others miss nothing', async () => {
    const { server, endpoint } = await open(new Server());
    const deaf = await dial(endpoint);
    const hearing = await Promise.all(
      Array.from({ length: 3 }, async () => new Messenger((await dial(endpoint)).socket)),
    );
    await until(() => server.messengers.size === 4);

    let broadcasts = 0;
    while (server.messengers.size === 4) {
      expect(
        await server.broadcast({ type: 'news', number: String(broadcasts) }, Buffer.alloc(MiB / 4)),
      ).toBeGreaterThan(2);
      for (const messenger of hearing) {
        expect((await nextOf(messenger)).header['number']).toBe(String(broadcasts));
      }
      broadcasts++;
    }
    expect(hearing.every((messenger) => messenger.open)).toBe(true);
    deaf.socket.destroy();
    await server.stop();
    await Promise.all(hearing.map((messenger) => messenger.closed));
  });

  test('200 connections at once are all served', async () => {
    const { server, endpoint } = await open(new Echo());
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const messenger = new Messenger((await dial(endpoint)).socket);
        await messenger.send({ type: 'echo', number: String(index) });
        return { messenger, number: (await nextOf(messenger)).header['number'] };
      }),
    );
    expect(answers.map(({ number }) => number)).toEqual(answers.map((_, index) => String(index)));
    expect(server.messengers.size).toBe(200);
    expect(new Set([...server.messengers].map(({ id }) => id)).size).toBe(200);
    await server.stop();
    await Promise.all(answers.map(({ messenger }) => messenger.closed));
    expect(server.messengers.size).toBe(0);
  });

  test('a place can be listened at again as soon as its listener has closed', async () => {
    const place = await wire.place();
    const first = await listen(place, { onConnection: () => undefined });
    const at: Endpoint =
      place.transport === 'unix' || !('port' in first.address)
        ? place
        : { ...place, port: first.address.port };
    await Promise.all([first.close(), first.close()]);
    await first.close();
    const second = await listen(at, { onConnection: () => undefined });
    expect(second.address).toEqual(first.address);
    await second.close();
  });

  test('two listeners at one place are told to choose another', async () => {
    const place = await wire.place();
    const first = await listen(place, { onConnection: () => undefined });
    const at: Endpoint =
      place.transport === 'unix' || !('port' in first.address)
        ? place
        : { ...place, port: first.address.port };
    const error = await failureOf(listen(at, { onConnection: () => undefined }));
    expect(error.code).toBe('port-in-use');
    expect(error.message).toMatch(/is in use by another program: stop that program, or choose another/);
    await first.close();
  });

  test('a place where nothing listens is named', async () => {
    const place = await wire.place();
    const listener = await listen(place, { onConnection: () => undefined });
    const endpoint = wire.towards(place, listener);
    await listener.close();
    const error = await failureOf(dial(endpoint));
    expect(error.code).toBe('connect-failed');
    expect(error.message).toMatch(/^cannot connect to \S+: .*nothing listens there$/);
  });

  test('a name that does not exist is an error of ours, when listening and when dialling', async () => {
    const place = await wire.place();
    const nowhere: Endpoint =
      place.transport === 'unix'
        ? { ...place, path: '/no/such/folder/s' }
        : { ...place, host: 'none.invalid', port: 9 };
    expect((await failureOf(dial(nowhere))).code).toBe('connect-failed');
    expect((await failureOf(listen(nowhere, { onConnection: () => undefined }))).code).toBe(
      'address-unusable',
    );
  });

  test('an opening that is aborted ends with the reason of the abort', async () => {
    const place = await wire.place();
    const { onConnection, next } = accepted();
    const listener = await listen(place, { onConnection });
    const endpoint = wire.towards(place, listener);
    const reason = new Error('the user changed their mind');
    const aborted = AbortSignal.abort(reason);
    await expect(dial(endpoint, { signal: aborted })).rejects.toBe(reason);
    await expect(listen(await wire.place(), { onConnection, signal: aborted })).rejects.toBe(reason);

    const controller = new AbortController();
    const dialling = dial(endpoint, { signal: controller.signal });
    controller.abort(reason);
    await expect(dialling).rejects.toBe(reason);

    const late = new AbortController();
    const free = await wire.place();
    const listening = listen(free, { onConnection, signal: late.signal });
    late.abort(reason);
    await expect(listening).rejects.toBe(reason);
    await turn();
    const left = free.transport === 'unix' ? (await failureOf(dial(free))).code : 'connect-failed';
    expect(left).toBe('connect-failed');

    const link = await dial(endpoint); // the listener serves the next connection
    void next.then(({ socket }) => socket.on('error', () => undefined));
    link.socket.destroy();
    await listener.close();
  });

  test('a signal that aborts after the opening changes nothing', async () => {
    const place = await wire.place();
    const { onConnection, next } = accepted();
    const controller = new AbortController();
    const listener = await listen(place, { onConnection, signal: controller.signal });
    const near = await dial(wire.towards(place, listener), { signal: controller.signal });
    const far = await next;
    controller.abort();
    await turn();
    expect([near.socket.destroyed, far.socket.destroyed]).toEqual([false, false]);
    near.socket.destroy();
    far.socket.destroy();
    await listener.close();
  });

  test('bytes that are not our protocol get one error message and lose their own connection only', async () => {
    const { server, endpoint } = await open(new Echo());
    const honest = new Messenger((await dial(endpoint)).socket);
    const scanner = new Messenger((await dial(endpoint)).socket);
    scanner.socket.write('GET / HTTP/1.1\r\n\r\n');
    const [answer, ...more] = await collect(scanner);
    expect(answer?.header).toMatchObject({ type: 'error', code: 'frame-too-large' });
    expect(more).toEqual([]);

    await honest.send({ type: 'still there?' });
    expect((await nextOf(honest)).header['type']).toBe('still there?');
    expect(server.messengers.size).toBe(1);
    honest.destroy();
    await server.stop();
  });

  test('one connection above the most that a server holds is turned away and told to the log', async () => {
    const refused: string[] = [];
    const { server, endpoint } = await open(new Echo(), {
      maxConnections: 2,
      onRefused: (_, why) => refused.push(why),
    });
    const first = new Messenger((await dial(endpoint)).socket);
    const second = new Messenger((await dial(endpoint)).socket);
    await until(() => server.messengers.size === 2);
    const third = dial(endpoint).then(({ socket }) => gone(socket.resume()));
    await third.catch(() => undefined);
    expect(refused).toEqual(['too many connections']);

    first.destroy();
    await until(() => server.messengers.size === 1);
    const next = new Messenger((await dial(endpoint)).socket);
    await next.send({ type: 'room again' });
    expect((await nextOf(next)).header['type']).toBe('room again');
    second.destroy();
    next.destroy();
    await server.stop();
  });

  describe('services and streams', () => {
    streamCases(wire);
  });
});

describe.each(['127.0.0.1', '::1'])('udp on %s', (host) => {
  datagramCases(host);
});

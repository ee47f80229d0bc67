import { describe, expect, test } from 'vitest';
import {
  type Endpoint,
  FilerError,
  type HubEvent,
  type Message,
  type Messenger,
  multicast,
  Server,
} from '@filer/protocol';
import { Client } from '@filer/sockets';
import { failureOf } from './outcome.ts';
import { until } from './wires.ts';

const ANYWHERE: Endpoint = { transport: 'tcp', host: '127.0.0.1', port: 0 };

function towards(server: Server): Endpoint {
  if (!('port' in server.addr)) throw new Error('this server has no port');
  return { transport: 'tcp', host: '127.0.0.1', port: server.addr.port };
}

/** Keeps what its callbacks are told. */
class Noting extends Server {
  readonly notes: string[] = [];

  protected override onConnected(messenger: Messenger): void {
    this.notes.push(`connected, ${this.messengers.size} there: ${messenger.open}`);
  }

  protected override async onMessage(messenger: Messenger, { header, content }: Message): Promise<void> {
    this.notes.push(`${header['type']}: ${content.toString()}`);
    if (header['type'] === 'wrong') throw new FilerError('message-malformed', 'the message is wrong');
    if (header['type'] === 'bug') throw new TypeError('a bug');
    await this.send(messenger, { type: 'seen' });
  }

  protected override onClosed(_: Messenger, remaining: number, reason: FilerError | undefined): void {
    this.notes.push(`closed, ${remaining} left: ${reason?.code ?? 'in order'}`);
  }
}

describe('a subclass', () => {
  test('is told about a new connection, of each message in order, and of the end with how many remain', async () => {
    const server = await new Noting().open(ANYWHERE);
    const client = new Client();
    const messenger = await client.addConnection(towards(server));
    const other = await client.addConnection(towards(server));
    await until(() => server.messengers.size === 2);
    await messenger.send({ type: 'a' }, Buffer.from('1'));
    await messenger.send({ type: 'b' }, Buffer.from('2'));
    await until(() => server.notes.length === 4);
    await client.closeClient(messenger);
    await until(() => server.notes.length === 5);
    expect(server.notes).toEqual([
      'connected, 1 there: true',
      'connected, 2 there: true',
      'a: 1',
      'b: 2',
      'closed, 1 left: in order',
    ]);
    other.destroy();
    await client.stop();
    await server.stop();
  });

  test('may throw a FilerError at one connection, which is told and ends, while the others continue', async () => {
    const server = await new Noting().open(ANYWHERE);
    const client = new Client();
    const answers: string[] = [];
    const reading = (async () => {
      for await (const event of client) {
        if (event.type === 'message') answers.push(event.message.header['code'] ?? 'seen');
      }
    })();
    const bad = await client.addConnection(towards(server));
    const good = await client.addConnection(towards(server));
    await bad.send({ type: 'wrong' });
    expect(await bad.closed).toBeUndefined();
    await good.send({ type: 'right' });
    await until(() => answers.length === 2);
    expect(answers).toEqual(['message-malformed', 'seen']);
    await client.stop();
    await reading;
    await server.stop();
    expect(server.notes).toContain('closed, 1 left: message-malformed');
  });

  test('is opened under its own class by `listen`', async () => {
    const server = await Noting.listen(ANYWHERE);
    expect(server).toBeInstanceOf(Noting);
    await server.stop();
  });

  test('whose `serve` returns has its connection closed', async () => {
    class Brief extends Server {
      protected override async serve(messenger: Messenger): Promise<void> {
        await messenger.send({ type: 'that was all' });
      }
    }
    const server = await new Brief().open(ANYWHERE);
    const client = new Client();
    const messenger = await client.addConnection(towards(server));
    expect(await messenger.closed).toBeUndefined();
    await Promise.all([client.stop(), server.stop()]);
  });
});

describe('iterating', () => {
  test('tells connected, message and closed, and ends after stop', async () => {
    const server = await Server.listen(ANYWHERE);
    const events: string[] = [];
    const reading = (async () => {
      for await (const event of server) events.push(wordsOf(event));
    })();
    const client = new Client();
    const messenger = await client.addConnection(towards(server));
    await messenger.send({ type: 'a' });
    await until(() => events.length === 2);
    await client.stop();
    await until(() => events.length === 3);
    await Promise.all([server.stop(), server.stop()]);
    await reading;
    expect(events).toEqual(['connected', 'message a', 'closed, 0 left']);
  });

  test('ends although the loop itself stops the server', async () => {
    const server = await Server.listen(ANYWHERE);
    const client = new Client();
    const reading = (async () => {
      const events: string[] = [];
      for await (const event of server) {
        events.push(wordsOf(event));
        if (event.type === 'message') await server.stop();
      }
      return events;
    })();
    const messenger = await client.addConnection(towards(server));
    await messenger.send({ type: 'stop' });
    expect(await reading).toEqual(['connected', 'message stop', 'closed, 0 left']);
    await client.stop();
  });

  test('slowly holds back a peer that sends fast', async () => {
    const server = await Server.listen(ANYWHERE);
    const client = new Client();
    const { promise: pause, resolve: goOn } = Promise.withResolvers<undefined>();
    let received = 0;
    const reading = (async () => {
      for await (const event of server) {
        if (event.type === 'message') received++;
        await pause;
        if (received === 64) break;
      }
    })();
    const messenger = await client.addConnection(towards(server));
    const sending = (async () => {
      for (let index = 0; index < 64; index++) await messenger.send({ type: 'chunk' }, Buffer.alloc(1 << 20));
    })();
    const [far] = await untilSome(server);
    await until(() => far.socket.isPaused());
    expect(far.receivedBytes).toBeLessThan(16 * 1024 * 1024);
    goOn(undefined);
    await Promise.all([reading, sending]);
    await Promise.all([client.stop(), server.stop()]);
  });

  test('may be left while the connections continue', async () => {
    const server = await new Noting().open(ANYWHERE);
    const client = new Client();
    const leaving = (async () => {
      for await (const event of server) if (event.type === 'message') break;
    })();
    const messenger = await client.addConnection(towards(server));
    for (let index = 0; index < 10; index++) await messenger.send({ type: 'a' });
    await leaving;
    await until(() => server.notes.length === 11);
    expect(messenger.open).toBe(true);
    await Promise.all([client.stop(), server.stop()]);
  });
});

function wordsOf(event: HubEvent): string {
  switch (event.type) {
    case 'connected':
      return 'connected';
    case 'message':
      return `message ${event.message.header['type']}`;
    case 'closed':
      return `closed, ${event.remaining} left`;
    case 'connect-failed':
      return event.error instanceof FilerError ? event.error.code : 'failed';
  }
}

async function untilSome(server: Server): Promise<[Messenger, ...Messenger[]]> {
  await until(() => server.messengers.size > 0);
  const [first, ...others] = server.messengers;
  if (first === undefined) throw new Error('no one is connected');
  return [first, ...others];
}

describe('sending to many', () => {
  const crowd = async (size: number) => {
    const server = await Server.listen(ANYWHERE);
    const client = new Client();
    const received: string[][] = [];
    const ends = await Promise.all(
      Array.from({ length: size }, (_, index) => {
        const list: string[] = [];
        received[index] = list;
        return client.addConnection(towards(server));
      }),
    );
    const reading = (async () => {
      for await (const event of client) {
        if (event.type === 'message') received[ends.indexOf(event.messenger)]?.push(wordsOf(event));
      }
    })();
    await until(() => server.messengers.size === size);
    return {
      server,
      received,
      async [Symbol.asyncDispose]() {
        await Promise.all([client.stop(), server.stop()]);
        await reading;
      },
    };
  };

  test('broadcast reaches all, multicast those named', async () => {
    await using all = await crowd(5);
    expect(await all.server.broadcast({ type: 'all' })).toBe(5);
    expect(await all.server.multicast([...all.server.messengers].slice(0, 2), { type: 'two' })).toBe(2);
    await until(() => all.received.flat().length === 7);
    expect(all.received.flat().filter((word) => word === 'message two')).toHaveLength(2);
    expect(all.received.every(([first]) => first === 'message all')).toBe(true);
  });

  test('a broadcast is laid out once, whatever the number of receivers', async () => {
    await using all = await crowd(20);
    let reads = 0;
    const header = Object.defineProperty({}, 'type', {
      enumerable: true,
      get: () => {
        reads++;
        return 'counted';
      },
    });
    await all.server.broadcast({ type: 'other' });
    await all.server.broadcast(Object.assign(header, {}));
    const readsForTwenty = reads;
    reads = 0;
    await all.server.multicast([...all.server.messengers].slice(0, 1), Object.assign(header, {}));
    expect(readsForTwenty).toBe(reads);
    await until(() => all.received.flat().length === 41);
  });

  test('a connection that is gone is not counted', async () => {
    await using all = await crowd(3);
    const [first] = await untilSome(all.server);
    first.destroy();
    expect(await all.server.broadcast({ type: 'all' })).toBe(2);
    await until(() => all.received.flat().length === 2);
  });

  test('a header that no one would take is refused and closes no one', async () => {
    await using all = await crowd(2);
    expect((await failureOf(all.server.broadcast({ Type: 'all' }))).code).toBe('frame-malformed');
    expect(all.server.messengers.size).toBe(2);
  });
});

test('a failed send closes its client, unless told otherwise', async () => {
  const server = await Server.listen(ANYWHERE);
  const client = new Client();
  await client.addConnection(towards(server));
  await client.addConnection(towards(server));
  const [first, second] = await untilSome(server);
  await until(() => server.messengers.size === 2);
  await failureOf(server.send(first, { Wrong: '' }, undefined, { closeOnFailure: false }));
  expect(first.open).toBe(true);
  await failureOf(server.send(first, { Wrong: '' }));
  expect(first.open).toBe(false);
  expect(second?.open ?? true).toBe(true);
  await Promise.all([client.stop(), server.stop()]);
});

describe('a client', () => {
  test('keeps connections to several servers and says which could not be made', async () => {
    const servers = await Promise.all([new Noting().open(ANYWHERE), new Noting().open(ANYWHERE)]);
    const failed: string[] = [];
    class Telling extends Client {
      protected override onConnectFailed(_: Endpoint, error: unknown): void {
        failed.push(error instanceof FilerError ? error.code : 'other');
      }
    }
    const client = new Telling();
    const events: string[] = [];
    const reading = (async () => {
      for await (const event of client) events.push(wordsOf(event));
    })();
    for (const server of servers) await client.addConnection(towards(server));
    const gone = await Server.listen(ANYWHERE);
    const nowhere = towards(gone);
    await gone.stop();
    expect((await failureOf(client.addConnection(nowhere))).code).toBe('connect-failed');
    expect(failed).toEqual(['connect-failed']);
    expect(await client.broadcast({ type: 'hello' })).toBe(2);
    await until(() => events.length === 5);
    expect(events.toSorted()).toEqual([
      'connect-failed',
      'connected',
      'connected',
      'message seen',
      'message seen',
    ]);
    await client.stop();
    await reading;
    await Promise.all(servers.map((server) => server.stop()));
  });

  test('that is stopped gives up what it dials, and opens nothing more', async () => {
    const server = await Server.listen(ANYWHERE);
    const client = new Client();
    const dialling = failureOf(client.addConnection(towards(server)));
    await client.stop();
    expect((await dialling).code).toBe('connection-closed');
    expect((await failureOf(client.addConnection(towards(server)))).code).toBe('connection-closed');
    expect(client.messengers.size).toBe(0);
    await server.stop();
  });
});

test('a server that is stopped has closed every connection in order', async () => {
  const server = await new Noting().open(ANYWHERE);
  const client = new Client();
  const ends = await Promise.all(Array.from({ length: 20 }, () => client.addConnection(towards(server))));
  await until(() => server.messengers.size === 20);
  await Promise.all([server.stop(), server.stop()]);
  expect(await Promise.all(ends.map((end) => end.closed))).toEqual(ends.map(() => undefined));
  await until(() => server.messengers.size === 0);
  expect((await failureOf(new Client().addConnection(towards(server)))).code).toBe('connect-failed');
  await client.stop();
});

test('a server that was not opened has no address', () => {
  expect(() => new Server().addr).toThrow('this server was not opened');
});

test('a message to many takes turns with all else, by the time that it takes', async () => {
  let written = 0;
  const slow = {
    post: () => {
      for (const begin = performance.now(); performance.now() - begin < 0.5;);
      return ++written > 0;
    },
  } as unknown as Messenger;
  let writtenBefore = 0;
  setImmediate(() => (writtenBefore = written));
  expect(
    await multicast(
      Array.from({ length: 200 }, () => slow),
      { type: 'many' },
    ),
  ).toBe(200);
  expect(writtenBefore).toBeGreaterThan(0);
  expect(writtenBefore).toBeLessThan(100);
});

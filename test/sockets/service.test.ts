import { describe, expect, test } from 'vitest';
import { type Endpoint, FilerError } from '@filer/protocol';
import {
  DatagramHandler,
  dialDatagrams,
  RequestHandler,
  serve,
  serveDatagrams,
  Service,
  SocketStream,
  StreamHandler,
} from '@filer/sockets';
import { failureOf } from '../protocol/outcome.ts';
import { TCP, until } from '../protocol/wires.ts';

const ANYWHERE: Endpoint = { transport: 'tcp', host: '127.0.0.1', port: 0 };
const dialTo = (service: Service): Promise<SocketStream> => SocketStream.dial(TCP.towards(ANYWHERE, service));

/** Connects, says a line, and tells the answer after the connection has ended. */
async function ask(service: Service, line: string): Promise<string> {
  await using stream = await dialTo(service);
  await stream.write(`${line}\n`);
  await stream.end();
  return (await stream.readToEnd()).toString();
}

describe('a handler class', () => {
  test('is made once for each connection, and set up, handled and finished in order', async () => {
    const notes: string[] = [];
    let made = 0;
    class Noting extends StreamHandler {
      readonly #number = made++;
      protected override setup(): void {
        notes.push(`${this.#number} setup`);
      }
      protected async handle(): Promise<void> {
        notes.push(`${this.#number} ${await this.readLine()}`);
        await this.write('done\n');
      }
      protected override async finish(): Promise<void> {
        await this.write('finished\n');
        notes.push(`${this.#number} finish`);
      }
    }
    await using service = await serve(ANYWHERE, Noting);
    expect(await ask(service, 'a')).toBe('done\nfinished\n');
    expect(await ask(service, 'b')).toBe('done\nfinished\n');
    expect(notes).toEqual(['0 setup', '0 a', '0 finish', '1 setup', '1 b', '1 finish']);
  });

  test('is finished although handle throws, which ends its own connection and is told', async () => {
    let finished = 0;
    const failed: unknown[] = [];
    class Failing extends StreamHandler {
      protected async handle(): Promise<void> {
        if ((await this.readLine()) === 'fail') throw new TypeError('a bug');
        await this.write('ok');
      }
      protected override finish(): void {
        finished++;
      }
    }
    await using service = await serve(ANYWHERE, Failing, { onFailed: (error) => failed.push(error) });
    expect(await ask(service, 'fail').catch((error: unknown) => error)).not.toBe('ok');
    expect(await ask(service, 'go on')).toBe('ok');
    expect(finished).toBe(2);
    expect(failed).toEqual([new TypeError('a bug')]);
  });

  test('whose setup throws is neither handled nor finished', async () => {
    const notes: string[] = [];
    class Unready extends RequestHandler {
      protected override setup(): void {
        throw new FilerError('refused', 'not today');
      }
      protected handle(): void {
        notes.push('handle');
      }
      protected override finish(): void {
        notes.push('finish');
      }
    }
    const failed: unknown[] = [];
    await using service = await serve(ANYWHERE, Unready, { onFailed: (error) => failed.push(error) });
    await ask(service, 'hello').catch(() => undefined);
    expect(notes).toEqual([]);
    expect(failed).toHaveLength(1);
  });

  test('takes more in its constructor when a function makes it', async () => {
    class Greeter extends StreamHandler {
      readonly #greeting: string;
      constructor(
        greeting: string,
        ...[stream, context]: ConstructorParameters<typeof RequestHandler<SocketStream>>
      ) {
        super(stream, context);
        this.#greeting = greeting;
      }
      protected async handle(): Promise<void> {
        await this.write(`${this.#greeting} ${await this.readLine()}`);
      }
    }
    await using service = await serve(ANYWHERE, (stream, context) => new Greeter('hello', stream, context));
    expect(await ask(service, 'you')).toBe('hello you');
  });

  test('is finished when the service ends although handle never does', async () => {
    let finished = false;
    class Hanging extends StreamHandler {
      protected handle(): Promise<void> {
        return new Promise(() => undefined);
      }
      protected override finish(): void {
        finished = true;
      }
    }
    const service = await serve(ANYWHERE, Hanging);
    const stream = await dialTo(service);
    await until(() => service.serving === 1);
    await service.close({ graceMs: 0 });
    expect(finished).toBe(true);
    expect(service.serving).toBe(0);
    stream.destroy();
  });

  test('handles datagrams too, one instance each', async () => {
    let made = 0;
    class Shouting extends DatagramHandler {
      readonly #number = ++made;
      protected handle(): Promise<void> {
        return this.reply(`${this.#number} ${this.bytes.toString().toUpperCase()}`);
      }
    }
    await using service = await serveDatagrams({ transport: 'udp', host: '127.0.0.1', port: 0 }, Shouting);
    if (!('port' in service.address)) throw new Error('it has a port');
    await using link = await dialDatagrams({ transport: 'udp', ...service.address });
    await link.send('a');
    expect((await link.receive()).toString()).toBe('1 A');
    await link.send('b');
    expect((await link.receive()).toString()).toBe('2 B');
  });
});

describe('a bounded service', () => {
  test('serves so many at once, the rest in order of arrival, and refuses those beyond', async () => {
    const refused: string[] = [];
    const begun: string[] = [];
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    await using service = await serve(
      ANYWHERE,
      async (stream) => {
        begun.push(stream.addr);
        await gate;
        await stream.write('served');
      },
      { maxServed: 2, maxWaiting: 2, onRefused: (from, why) => refused.push(`${from}: ${why}`) },
    );
    const streams: SocketStream[] = [];
    const arrived = () => service.serving + service.waiting + service.refused;
    for (let index = 0; index < 5; index++) {
      streams.push(await dialTo(service));
      await until(() => arrived() === index + 1);
    }
    const names = streams.map(({ socket }) => `127.0.0.1:${socket.localPort}`);
    expect([service.serving, service.waiting, service.refused]).toEqual([2, 2, 1]);
    expect(refused).toEqual([`${names[4]}: 2 requests are served and 2 wait already`]);
    const heard = await Promise.all(
      streams.map(async (stream, index) => {
        if (index === 0) openGate();
        const text = (await stream.readToEnd().catch(() => Buffer.from('cut'))).toString();
        await stream.close();
        return text;
      }),
    );
    expect(heard.slice(0, 4)).toEqual(['served', 'served', 'served', 'served']);
    expect(heard[4]).not.toBe('served');
    expect(begun).toEqual(names.slice(0, 4));
  });

  test('forgets one that left while it waited', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    let begun = 0;
    await using service = await serve(
      ANYWHERE,
      () => {
        begun++;
        return gate;
      },
      { maxServed: 1 },
    );
    const first = await dialTo(service);
    await until(() => service.serving === 1);
    const second = await dialTo(service);
    await until(() => service.waiting === 1);
    second.socket.resetAndDestroy();
    await until(() => service.waiting === 0);
    openGate();
    await first.close();
    await until(() => service.served === 1);
    expect(begun).toBe(1);
    expect(service.refused).toBe(0);
  });

  test('ends a connection that is silent for too long, and its handler is told why', async () => {
    const failed: unknown[] = [];
    await using service = await serve(ANYWHERE, async (stream) => void (await stream.readLine()), {
      idleTimeoutMs: 20,
      onFailed: (error) => failed.push(error),
    });
    await using stream = await dialTo(service);
    await stream.readToEnd().catch(() => undefined);
    await until(() => service.served === 1);
    expect(failed).toMatchObject([{ code: 'connection-silent' }]);
  });

  test('passes over a connection that broke, with no one told', async () => {
    await using service = await serve(ANYWHERE, async (stream) => void (await stream.readLine()));
    const stream = await dialTo(service);
    await until(() => service.serving === 1);
    stream.socket.resetAndDestroy();
    await until(() => service.served === 1);
    expect(await ask(service, 'the next')).toBe('');
  });
});

describe('request by request', () => {
  test('handleRequest serves exactly one, waiting for it or taking the first that waits', async () => {
    await using service = await Service.listen(ANYWHERE, async (stream) => {
      await stream.write(`hello ${await stream.readLine()}`);
    });
    const handling = service.handleRequest();
    expect(await ask(service, 'one')).toBe('hello one');
    await handling;
    const answers = [ask(service, 'two'), ask(service, 'three')];
    await until(() => service.waiting === 2);
    expect([service.served, service.serving]).toEqual([1, 0]);
    await service.handleRequest();
    expect([service.served, service.waiting]).toEqual([2, 1]);
    await service.handleRequest();
    expect(await Promise.all(answers)).toEqual(['hello two', 'hello three']);
  });

  test('handleRequest can be given up, and ends when the service closes', async () => {
    const service = await Service.listen(ANYWHERE, () => undefined);
    const reason = new Error('no more');
    const controller = new AbortController();
    const waiting = service.handleRequest({ signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    const other = failureOf(service.handleRequest());
    await service.close();
    expect((await other).code).toBe('connection-closed');
    expect((await failureOf(service.handleRequest())).code).toBe('connection-closed');
    expect((await failureOf(service.serveForever())).code).toBe('connection-closed');
  });

  test('shutdown ends serveForever; what is served continues, what comes waits until it is called again', async () => {
    const service = await Service.listen(ANYWHERE, async (stream) => {
      await stream.write(`hello ${await stream.readLine()}`);
    });
    const forever = service.serveForever();
    const open = await dialTo(service);
    await until(() => service.serving === 1);
    service.shutdown();
    await forever;
    const late = ask(service, 'late');
    await until(() => service.waiting === 1);
    await open.write('early\n');
    expect((await open.readToEnd()).toString()).toBe('hello early');
    await open.close();
    expect(service.waiting).toBe(1);
    const again = service.serveForever();
    expect(await late).toBe('hello late');
    await service.close();
    await again;
  });

  test('close tells handlers by the signal, lets them end, and refuses those who wait', async () => {
    const refused: string[] = [];
    const service = await serve(
      ANYWHERE,
      async (stream, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await stream.write('goodbye');
      },
      { maxServed: 1, onRefused: (_, why) => refused.push(why) },
    );
    const first = await dialTo(service);
    await until(() => service.serving === 1);
    const second = await dialTo(service);
    await until(() => service.waiting === 1);
    const heard = first.readToEnd();
    const leaving = heard.then(() => first.close());
    await service.close();
    await leaving;
    expect((await heard).toString()).toBe('goodbye');
    expect(refused).toEqual(['this service is closed']);
    second.destroy();
  });
});

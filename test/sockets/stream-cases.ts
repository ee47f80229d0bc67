import { expect, test } from 'vitest';
import { type Endpoint, FilerError } from '@filer/protocol';
import { serve, type Service, SocketStream } from '@filer/sockets';
import { failureOf } from '../protocol/outcome.ts';
import { collect, until, type Wire } from '../protocol/wires.ts';
import { connectStreams } from './streams.ts';

const MiB = 1 << 20;
const CONNECTIONS = 200;
/** Handshakes under way at once: below the bound on those who have not proved a key yet. */
const DIALLED_AT_ONCE = 50;

/** What the conformance suite asks of services and streams, for each transport. */
export function streamCases(wire: Wire): void {
  const echo = async (stream: SocketStream): Promise<void> => {
    for await (const piece of stream) await stream.write(piece);
  };
  const open = async (
    handler: (stream: SocketStream) => Promise<void>,
    options?: Parameters<typeof serve>[2],
  ): Promise<{ service: Service; endpoint: Endpoint }> => {
    const place = await wire.place();
    const service = await serve(place, handler, options);
    return { service, endpoint: wire.towards(place, service) };
  };

  test('half-close: a side that has ended its half still gets every answer, and its end', async () => {
    const { service, endpoint } = await open(async (stream) => {
      const question = await stream.readToEnd();
      await stream.write(Buffer.concat([question, Buffer.alloc(4 * MiB)]));
    });
    const stream = await SocketStream.dial(endpoint);
    await stream.write('question');
    await stream.end();
    expect(stream.writable).toBe(false);
    const answer = await stream.readToEnd();
    expect(answer.subarray(0, 8).toString()).toBe('question');
    expect(answer).toHaveLength(8 + 4 * MiB);
    await stream.close();
    expect(await stream.closed).toBeUndefined();
    await service.close();
    expect(service.served).toBe(1);
  });

  test('half-close: a service may end first and still read to the end', async () => {
    let heard = '';
    const { service, endpoint } = await open(async (stream) => {
      await stream.write('speak');
      await stream.end();
      heard = (await stream.readToEnd()).toString();
    });
    const stream = await SocketStream.dial(endpoint);
    expect((await stream.readToEnd()).toString()).toBe('speak');
    await stream.write('spoken');
    await stream.close();
    await until(() => service.served === 1);
    expect(heard).toBe('spoken');
    await service.close();
  });

  test(`${CONNECTIONS} connections are open at once and each gets its own answer`, async () => {
    const { service, endpoint } = await open(echo);
    const streams: SocketStream[] = [];
    while (streams.length < CONNECTIONS) {
      const wave = Array.from({ length: DIALLED_AT_ONCE }, () => SocketStream.dial(endpoint));
      streams.push(...(await Promise.all(wave)));
    }
    await until(() => service.serving === CONNECTIONS);
    const answers = await Promise.all(
      streams.map(async (stream, index) => {
        await stream.write(`${index}\n`);
        return stream.readLine();
      }),
    );
    expect(answers).toEqual(streams.map((_, index) => String(index)));
    await Promise.all(streams.map((stream) => stream.close()));
    await until(() => service.served === CONNECTIONS);
    expect(service.refused).toBe(0);
    await service.close();
  });

  test('a stream closed twice ends once, in order, on both sides', async () => {
    await using pair = await connectStreams(wire);
    await pair.near.write('last words');
    await Promise.all([
      pair.near.close(),
      pair.near.close(),
      pair.far.readToEnd().then((bytes) => {
        expect(bytes.toString()).toBe('last words');
        return pair.far.close();
      }),
    ]);
    await pair.near.close();
    expect([await pair.near.closed, await pair.far.closed]).toEqual([undefined, undefined]);
    expect((await failureOf(pair.near.write('late'))).code).toBe('connection-closed');
    expect((await failureOf(pair.near.read())).code).toBe('connection-closed');
  });

  test('a stream whose other side never reads is closed in bounded time', async () => {
    await using pair = await connectStreams(wire);
    const writing = failureOf(pair.near.write(Buffer.alloc(32 * MiB)));
    await pair.near.close();
    expect((await writing).code).toBe('connection-closed');
  });

  test('a stream whose other side vanishes ends both what reads and what writes', async () => {
    await using pair = await connectStreams(wire);
    const writing = failureOf(pair.near.write(Buffer.alloc(32 * MiB)));
    const reading = collect(pair.near).catch((error: unknown) => error);
    await pair.far.readExactly(1);
    pair.far.destroy();
    expect((await writing).code).toBe('connection-closed');
    const outcome = await reading;
    expect(outcome instanceof FilerError ? outcome.code : outcome).toEqual(
      outcome instanceof FilerError ? 'connection-closed' : [],
    );
    await pair.near.closed;
    expect(pair.near.writable).toBe(false);
  });

  test('a service closes twice in bounded time although a client neither reads nor leaves', async () => {
    const begun = Promise.withResolvers<void>();
    const { service, endpoint } = await open(async (stream) => {
      begun.resolve();
      await stream.write(Buffer.alloc(32 * MiB));
    });
    const stream = await SocketStream.dial(endpoint);
    await begun.promise;
    await Promise.all([service.close({ graceMs: 1 }), service.close()]);
    await service.close();
    expect(service.serving).toBe(0);
    expect((await failureOf(SocketStream.dial(endpoint))).code).toBe('connect-failed');
    stream.destroy();
  });

  test('a service is not opened at a place in use, at an invalid name, or when aborted', async () => {
    const place = await wire.place();
    const first = await serve(place, echo);
    const { address } = first;
    const at: Endpoint =
      place.transport === 'unix' || !('port' in address) ? place : { ...place, port: address.port };
    expect((await failureOf(serve(at, echo))).code).toBe('port-in-use');
    await first.close();
    const nowhere: Endpoint =
      place.transport === 'unix'
        ? { ...place, path: '/no/such/folder/s' }
        : { ...place, host: 'none.invalid', port: 9 };
    expect((await failureOf(serve(nowhere, echo))).code).toBe('address-unusable');
    expect((await failureOf(SocketStream.dial(nowhere))).code).toBe('connect-failed');
    const reason = new Error('the user changed their mind');
    const aborted = { signal: AbortSignal.abort(reason) };
    await expect(serve(await wire.place(), echo, aborted)).rejects.toBe(reason);
    await expect(SocketStream.dial(nowhere, aborted)).rejects.toBe(reason);
  });
}

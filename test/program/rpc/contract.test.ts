import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DaemonClient,
  implement,
  method,
  NO_PARAMS,
  openHome,
  requireDaemon,
  resolveHome,
  RpcServer,
  transportHere,
  type Handler,
  type Methods,
  type TypesOf,
} from '@filer/program';
import { FilerError } from '@filer/protocol';
import * as v from 'valibot';
import { describe, expect, onTestFinished, test } from 'vitest';
import { contract, countUp } from './contract.ts';

interface Daemon {
  readonly client: DaemonClient;
  /** Ends the daemon while its client is there. */
  readonly end: () => Promise<unknown>;
}

async function overSocket(methods: Methods): Promise<Daemon> {
  const home = resolveHome('filer-client', { FILER_HOME: await mkdtemp(join(tmpdir(), 'filer-rpc-')) });
  await openHome(home);
  const server = await RpcServer.open(home, { methods, onFault: () => undefined });
  const client = await requireDaemon(home);
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return { client, end: () => Promise.all([server.close(), server.close()]) };
}

function inProcess(methods: Methods): Promise<Daemon> {
  const client = new DaemonClient(transportHere(methods, () => Promise.resolve()));
  onTestFinished(() => client.close());
  return Promise.resolve({ client, end: () => Promise.all([client.close(), client.close()]) });
}

const never = (): never => {
  throw new Error('not called here');
};
const REST = { double: never, nothing: never, count: never, names: never, pages: never, wait: never };

type Some = { readonly [K in keyof typeof contract]?: Handler<TypesOf<(typeof contract)[K]>> };

describe.each([
  ['over a socket', overSocket],
  ['in the process', inProcess],
])('a daemon %s', (_, open) => {
  const serve = (handlers: Some): Promise<Daemon> => open(implement(contract, { ...REST, ...handlers }));

  test('answers each call with the result of its method, also with none', async () => {
    const { client } = await serve({ double: ({ of }) => of * 2, nothing: () => undefined });
    const calls = [4, 5].map((of) => client.call(contract.double, { of }));
    expect(await Promise.all(calls)).toEqual([8, 10]);
    expect(await client.call(contract.nothing, {})).toBe(undefined);
  });

  test.each([1, 7])(
    'hands out items told %j together one by one, in order, before the result',
    async (together) => {
      const { client } = await serve({ count: countUp });
      const items: unknown[] = [];
      const params = { to: 1_000, together };
      const result = await client.call(contract.count, params, { onItem: (item) => items.push(item) });
      expect(items).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ n })));
      expect(result).toEqual({ told: 1_000 });
    },
  );

  test('serves a short call while a long one runs', async () => {
    const finish = Promise.withResolvers<string>();
    const { client } = await serve({ wait: () => finish.promise, double: ({ of }) => of * 2 });
    const long = client.call(contract.wait, {});
    expect(await client.call(contract.double, { of: 2 })).toBe(4);
    finish.resolve('long');
    expect(await long).toBe('long');
  });

  test('refuses parameters that are not as declared, and its method does not run', async () => {
    const { client } = await serve({ names: never, double: ({ of }) => of * 2 });
    const asOther = (params: v.GenericSchema<unknown>) =>
      method('names', { params, result: contract.names.result });
    const loose = asOther(v.unknown());
    for (const params of [undefined, null, 7, [], {}, { prefix: 7 }, { prefix: null }]) {
      await expect(client.call(loose, params)).rejects.toMatchObject({ code: 'message-malformed' });
    }
    await expect(client.call(loose, { prefix: 7 })).rejects.toThrow(/"names".*prefix.*7/);
    expect(await client.call(contract.double, { of: 2 })).toBe(4);
  });

  test.each(['unknown', 'constructor', '__proto__', ''])('does not know the method %j', async (name) => {
    const { client } = await serve({ double: ({ of }) => of * 2 });
    const other = method(name, { params: NO_PARAMS, result: v.unknown() });
    await expect(client.call(other, {})).rejects.toMatchObject({ code: 'unsupported' });
    expect(await client.call(contract.double, { of: 2 })).toBe(4);
  });

  test('of another version is noticed by its results and items', async () => {
    const [params, unknown] = [NO_PARAMS, v.unknown()];
    const older = {
      names: method('names', { params, result: unknown }),
      count: method('count', { params, item: unknown, result: unknown }),
    };
    const { client } = await open(
      implement(older, {
        names: () => ({ names: [1] }),
        count: async (_params, { emit }) => {
          await emit({ n: -1 });
          return { told: 1 };
        },
      }),
    );
    const names = client.call(contract.names, { prefix: '' });
    await expect(names).rejects.toMatchObject({ code: 'unsupported' });
    await expect(names).rejects.toThrow(/"names".*names\.0/);
    await expect(client.call(contract.count, { to: 1 })).rejects.toMatchObject({ code: 'unsupported' });
  });

  test('hands on what a newer version adds', async () => {
    const newer = { names: method('names', { params: NO_PARAMS, result: v.unknown() }) };
    const result = { more: 1, names: ['a'] };
    const { client } = await open(implement(newer, { names: () => result }));
    expect(await client.call(contract.names, { prefix: '' })).toEqual(result);
  });

  test('carries the error of a method with its code, and a system error with what it means', async () => {
    const { client } = await serve({
      names: () => {
        throw new FilerError('no-such-peer', 'there is no peer bob');
      },
    });
    await expect(client.call(contract.names, { prefix: '' })).rejects.toMatchObject({
      code: 'no-such-peer',
      message: 'there is no peer bob',
    });
  });

  test('waits for a caller that is slow', async () => {
    const page = 'x'.repeat(256 * 1024);
    let told = 0;
    const { client } = await serve({
      pages: async (_params, { emit }) => {
        for (; told < 1_000; told++) await emit(page);
      },
    });
    const stop = new AbortController();
    const reason = new FilerError('interrupted', 'seen enough');
    const onItem = async (): Promise<void> => {
      for (let last = -1; last !== told; await turns()) last = told;
      stop.abort(reason);
    };
    const call = client.call(contract.pages, {}, { onItem, signal: stop.signal });
    await expect(call).rejects.toBe(reason);
    expect(told).toBeLessThan(500);
  });

  test('aborts what a call started when its caller stops it', async () => {
    const aborted = Promise.withResolvers<unknown>();
    const { client } = await serve({
      double: ({ of }) => of * 2,
      wait: async (_params, { signal, emit }) => {
        await emit('started');
        if (!signal.aborted) await once(signal, 'abort');
        aborted.resolve(signal.reason);
        throw signal.reason;
      },
    });
    const stop = new AbortController();
    const reason = new FilerError('interrupted', 'stopped by SIGINT');
    const onItem = (): void => stop.abort(reason);
    const call = client.call(contract.wait, {}, { onItem, signal: stop.signal });
    await expect(call).rejects.toBe(reason);
    expect(await aborted.promise).toMatchObject({ code: 'interrupted' });
    await expect(client.call(contract.wait, {}, { signal: stop.signal })).rejects.toBe(reason);
    expect(await client.call(contract.double, { of: 2 })).toBe(4);
  });

  test('does not abort other calls of a caller that stops one', async () => {
    const finish = Promise.withResolvers<void>();
    const { client } = await serve({
      count: async (params, { signal }) => {
        await finish.promise;
        return { told: signal.aborted ? 0 : params.to };
      },
      wait: async (_params, { signal, emit }) => {
        await emit('started');
        return await rejectedBy(signal);
      },
    });
    const other = client.call(contract.count, { to: 1 });
    const stop = new AbortController();
    const onItem = (): void => stop.abort(new FilerError('interrupted', 'stopped'));
    const call = client.call(contract.wait, {}, { onItem, signal: stop.signal });
    await expect(call).rejects.toMatchObject({ code: 'interrupted' });
    finish.resolve();
    expect(await other).toEqual({ told: 1 });
  });

  test('aborts a call whose caller cannot take its items, and the caller has its own failure', async () => {
    const aborted = Promise.withResolvers<void>();
    const failure = new Error('the terminal is gone');
    const { client } = await serve({
      wait: async (_params, { signal, emit }) => {
        await emit('started').catch(() => undefined);
        if (!signal.aborted) await once(signal, 'abort');
        aborted.resolve();
        return 'done';
      },
    });
    const onItem = (): void => {
      throw failure;
    };
    await expect(client.call(contract.wait, {}, { onItem })).rejects.toBe(failure);
    await aborted.promise;
  });

  test('that does not answer within the limit of a call is told apart', async () => {
    const { client } = await serve({ wait: (_params, { signal }) => rejectedBy(signal) });
    await expect(client.call(contract.wait, {}, { withinMs: 5 })).rejects.toMatchObject({
      code: 'timed-out',
    });
  });

  test('aborts what runs when it ends, and still delivers its last word', async () => {
    const started = Promise.withResolvers<void>();
    const { client, end } = await serve({
      wait: async (_params, { signal }) => {
        started.resolve();
        await once(signal, 'abort');
        return 'stopped in order';
      },
    });
    const call = client.call(contract.wait, {});
    await started.promise;
    await end();
    expect(await call).toBe('stopped in order');
  });

  test('hands over plain JSON: neither absent fields nor objects that both sides could change', async () => {
    const names = ['a'];
    const { client } = await serve({ names: () => ({ names, note: undefined }) });
    const got = await client.call(contract.names, { prefix: '' });
    expect(Object.keys(got)).toEqual(['names']);
    names.push('b');
    expect(got).toEqual({ names: ['a'] });
  });
});

async function rejectedBy(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Long enough for what can continue to continue. */
function turns(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

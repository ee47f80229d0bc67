import { once } from 'node:events';
import { chmod, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connectControl,
  ControlServer,
  openHome,
  requireControl,
  resolveHome,
  type ControlMethod,
  type Home,
} from '@filer/program';
import { FilerError } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { ended, firstWords, start } from './spawned.ts';

async function newHome(): Promise<Home> {
  const home = resolveHome('filer-client', { FILER_HOME: await mkdtemp(join(tmpdir(), 'filer-control-')) });
  await openHome(home);
  return home;
}

async function serve(methods: Record<string, ControlMethod>, home?: Home) {
  const faults: unknown[] = [];
  const at = home ?? (await newHome());
  const server = await ControlServer.open(at, { methods, onFault: (error) => faults.push(error) });
  const caller = await requireControl(at);
  onTestFinished(async () => {
    await caller.close();
    await server.close();
  });
  return { home: at, server, caller, faults };
}

test('a call is answered with the result of its method, also with none', async () => {
  const { caller } = await serve({ double: (params) => Number(params) * 2, nothing: () => undefined });
  expect(await Promise.all([caller.call('double', 4), caller.call('double', 5)])).toEqual([8, 10]);
  expect(await caller.call('nothing')).toBe(undefined);
});

test('a stream hands out its items in order and ends with the result', async () => {
  const { caller } = await serve({
    count: async (_, { emit }) => {
      for (let item = 0; item < 1_000; item += 1) await emit(item);
      return 'done';
    },
  });
  const items: unknown[] = [];
  expect(await caller.stream('count', undefined, (item) => items.push(item))).toBe('done');
  expect(items).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
});

test('a long call does not hold up a short one on the same connection', async () => {
  const finish = Promise.withResolvers<string>();
  const { caller } = await serve({ long: () => finish.promise, short: () => 'short' });
  const long = caller.call('long');
  expect(await caller.call('short')).toBe('short');
  finish.resolve('long');
  expect(await long).toBe('long');
});

test('an error of a method reaches the caller with its code, and a system error with what it means', async () => {
  const { caller, faults } = await serve({
    refuse: () => {
      throw new FilerError('no-such-peer', 'there is no peer bob');
    },
    full: () => Promise.reject(Object.assign(new Error('write failed'), { code: 'ENOSPC' })),
  });
  await expect(caller.call('refuse')).rejects.toMatchObject({
    code: 'no-such-peer',
    message: 'there is no peer bob',
  });
  await expect(caller.call('full')).rejects.toMatchObject({ code: 'no-space' });
  expect(faults).toEqual([]);
});

test('a fault in a method is told to the caller and to the daemon', async () => {
  const fault = new TypeError('a bug');
  const { caller, faults } = await serve({
    broken: () => {
      throw fault;
    },
  });
  await expect(caller.call('broken')).rejects.toMatchObject({ code: 'internal' });
  expect(faults).toEqual([fault]);
});

test.each(['unknown', 'constructor', '__proto__', ''])('the method %j is unsupported', async (method) => {
  const { caller } = await serve({ known: () => 1 });
  await expect(caller.call(method)).rejects.toMatchObject({ code: 'unsupported' });
  expect(await caller.call('known')).toBe(1);
});

test('a result above the limit of a message is an error of that call alone', async () => {
  const { caller } = await serve({ huge: () => 'x'.repeat(17 * 1024 * 1024), small: () => 1 });
  await expect(caller.call('huge')).rejects.toMatchObject({ code: 'frame-too-large' });
  expect(await caller.call('small')).toBe(1);
});

test('what a call started is aborted when its caller goes away', async () => {
  const aborted = Promise.withResolvers<unknown>();
  const { caller } = await serve({
    wait: async (_, { signal, emit }) => {
      await emit('started');
      await once(signal, 'abort');
      aborted.resolve(signal.reason);
    },
  });
  const stop = new AbortController();
  const reason = new FilerError('interrupted', 'stopped by SIGINT');
  const call = caller.stream('wait', undefined, () => stop.abort(reason), { signal: stop.signal });
  await expect(call).rejects.toBe(reason);
  expect(await aborted.promise).toMatchObject({ code: 'interrupted' });
});

test('closing the server aborts what runs and still delivers its last word', async () => {
  const started = Promise.withResolvers<void>();
  const { caller, server, home } = await serve({
    wait: async (_, { signal }) => {
      started.resolve();
      await once(signal, 'abort');
      return 'stopped in order';
    },
  });
  const call = caller.call('wait');
  await started.promise;
  await Promise.all([server.close(), server.close()]);
  expect(await call).toBe('stopped in order');
  expect(await connectControl(home)).toBe(undefined);
});

test('a caller whose daemon vanishes is told so', async () => {
  const home = await newHome();
  const daemon = start('rpc-daemon', home.identityFolder);
  await firstWords(daemon);
  const caller = await requireControl(home);
  const gone = ended(daemon);
  const call = caller.stream('wait', undefined, () => daemon.kill('SIGKILL'));
  await expect(call).rejects.toMatchObject({
    code: 'connection-closed',
    message: 'the daemon ended before it had answered, look at its log',
  });
  await gone;

  // Its socket file is still there: nobody answers, and the next daemon takes it over.
  expect((await stat(home.controlSocket)).isSocket()).toBe(true);
  expect(await connectControl(home)).toBe(undefined);
  const { caller: next } = await serve({ hello: () => 'the next' }, home);
  expect(await next.call('hello')).toBe('the next');
});

test('without a daemon there is no caller, and a command that needs one says how to start it', async () => {
  const home = await newHome();
  expect(await connectControl(home)).toBe(undefined);
  await writeFile(home.controlSocket, '');
  expect(await connectControl(home)).toBe(undefined);
  await expect(requireControl(home)).rejects.toMatchObject({
    code: 'needs-daemon',
    message: 'filer-client is not running here, start it with "filer-client start"',
  });
});

test('a second daemon does not take the socket of a living one', async () => {
  const { home, caller } = await serve({ hello: () => 'the first' });
  const second = ControlServer.open(home, { methods: {}, onFault: () => undefined });
  await expect(second).rejects.toMatchObject({ code: 'already-running' });
  expect(await caller.call('hello')).toBe('the first');
});

test('only this user may connect, also where the folder is open to others', async () => {
  const home = await newHome();
  await chmod(home.identityFolder, 0o755);
  await serve({}, home);
  expect((await stat(home.controlSocket)).mode & 0o777).toBe(0o600);
});

test('a caller that speaks another protocol loses its own connection and nothing else', async () => {
  const { home, caller, faults } = await serve({ hello: () => 'here' });
  const stranger = connect(home.controlSocket);
  stranger.end('GET / HTTP/1.1\r\n\r\n');
  stranger.resume();
  await once(stranger, 'close');
  expect(await caller.call('hello')).toBe('here');
  expect(faults).toEqual([]);
});

import { once } from 'node:events';
import { chmod, mkdtemp, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connectDaemon,
  implement,
  method,
  NO_PARAMS,
  openHome,
  requireDaemon,
  resolveHome,
  RpcServer,
  type Home,
} from '@filer/program';
import * as v from 'valibot';
import { expect, onTestFinished, test } from 'vitest';
import { ended, firstWords, start } from '../spawned.ts';
import { contract } from './contract.ts';

/** A method that does what a test says. */
const hello = method('hello', { params: NO_PARAMS, result: v.string() });

async function newHome(): Promise<Home> {
  const home = resolveHome('filer-client', { FILER_HOME: await mkdtemp(join(tmpdir(), 'filer-rpc-')) });
  await openHome(home);
  return home;
}

async function serve(answer: () => string | Promise<string>, home?: Home) {
  const faults: unknown[] = [];
  const at = home ?? (await newHome());
  const methods = implement({ hello }, { hello: answer });
  const server = await RpcServer.open(at, { methods, onFault: (error) => faults.push(error) });
  const client = await requireDaemon(at);
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return { home: at, server, client, faults };
}

test('a fault in a method is told to the caller and to the daemon', async () => {
  const fault = new TypeError('a bug');
  const { client, faults } = await serve(() => Promise.reject(fault));
  await expect(client.call(hello, {})).rejects.toMatchObject({ code: 'internal' });
  expect(faults).toEqual([fault]);
});

test('a system error reaches the caller as what it means', async () => {
  const full = Object.assign(new Error('write failed'), { code: 'ENOSPC' });
  const { client, faults } = await serve(() => Promise.reject(full));
  await expect(client.call(hello, {})).rejects.toMatchObject({ code: 'no-space' });
  expect(faults).toEqual([]);
});

test('a result above the limit of a message is an error of that call alone', async () => {
  let bytes = 17 * 1024 * 1024;
  const { client } = await serve(() => 'x'.repeat(bytes));
  await expect(client.call(hello, {})).rejects.toMatchObject({ code: 'frame-too-large' });
  bytes = 1;
  expect(await client.call(hello, {})).toBe('x');
});

test('a caller whose daemon is killed is told so', async () => {
  const home = await newHome();
  const daemon = start('rpc-daemon', home.identityFolder);
  await firstWords(daemon);
  const client = await requireDaemon(home);
  const gone = ended(daemon);
  const call = client.call(contract.wait, {}, { onItem: () => void daemon.kill('SIGKILL') });
  await expect(call).rejects.toMatchObject({
    code: 'connection-closed',
  });
  await gone;

  // Its socket file is still there: nothing answers, and the next daemon takes it over.
  expect((await stat(home.controlSocket)).isSocket()).toBe(true);
  expect(await connectDaemon(home)).toBe(undefined);
  const { client: next } = await serve(() => 'the next', home);
  expect(await next.call(hello, {})).toBe('the next');
});

test('without a daemon there is no client, and a command that needs one says how to start it', async () => {
  const home = await newHome();
  expect(await connectDaemon(home)).toBe(undefined);
  await writeFile(home.controlSocket, '');
  expect(await connectDaemon(home)).toBe(undefined);
  await expect(requireDaemon(home)).rejects.toMatchObject({
    code: 'needs-daemon',
    message: expect.stringContaining('"filer-client start"') as string,
  });
});

test('a daemon that has stopped is not found', async () => {
  const { home, server } = await serve(() => 'here');
  await server.close();
  expect(await connectDaemon(home)).toBe(undefined);
});

test('a second daemon does not take the socket of a living one', async () => {
  const { home, client } = await serve(() => 'the first');
  const second = RpcServer.open(home, { methods: new Map(), onFault: () => undefined });
  await expect(second).rejects.toMatchObject({ code: 'already-running' });
  expect(await client.call(hello, {})).toBe('the first');
});

test('only this user may connect, also where the folder is open to others', async () => {
  const home = await newHome();
  await chmod(home.identityFolder, 0o755);
  await serve(() => 'here', home);
  expect((await stat(home.controlSocket)).mode & 0o777).toBe(0o600);
});

test('a caller that speaks another protocol loses its own connection and nothing else', async () => {
  const { home, client, faults } = await serve(() => 'here');
  const foreign = connect(home.controlSocket);
  foreign.end('GET / HTTP/1.1\r\n\r\n');
  foreign.resume();
  await once(foreign, 'close');
  expect(await client.call(hello, {})).toBe('here');
  expect(faults).toEqual([]);
});

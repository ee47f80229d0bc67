import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilerError } from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHere } from '../../support/in-process.ts';
import { NetworkHere } from '../../support/network-here.ts';

let network: NetworkHere;

beforeAll(async () => {
  network = await NetworkHere.open();
});
afterAll(() => network[Symbol.asyncDispose]());

const start = (home: string) => runHere('filer-client', home, ['start', '--listen', '127.0.0.1:0']);

test('a daemon whose machine is removed ends with what it needs to join again', async () => {
  const bob = await network.add('bob');
  await network.runServer('remove', 'bob', '--yes');

  expect(await bob.daemon.ended).toMatchObject({ code: 'removed', exitCode: 6 });
});

test('a machine that was removed while it was off learns it at its next start, with a proof, and ends with exit 6', async () => {
  const carol = await network.add('carol');
  await carol[Symbol.asyncDispose]();
  await network.runServer('remove', 'carol', '--yes');
  const { code, stderr } = await start(carol.home);

  expect([code, stderr]).toEqual([6, expect.stringContaining('join - --new-identity')]);
  const status = await runHere('filer-client', carol.home, ['status']);
  expect(status.code).toBe(3);
  expect(status.stdout.split('\n')[0]).toMatch(/^This machine \(carol\) was removed .*--new-identity/);
  expect(status.stdout).not.toContain('filer-client start');
  expect((await runHere('filer-client', carol.home, ['status', '--json'])).stdout).toContain(
    '"ended":"removed"',
  );
  expect((await runHere('filer-client', carol.home, ['overview'])).stdout).toMatch(
    /^This machine \(carol\) was removed/,
  );
  await network.stopServer();
  expect((await start(carol.home)).code).toBe(6);
  const leave = await runHere('filer-client', carol.home, ['leave', '--yes']);
  expect([leave.code, leave.stderr]).toEqual([0, expect.not.stringContaining('could not be told')]);
  await network.startServer();
});

test('a daemon ends with exit 6 when a copy of its home has left the network', async () => {
  const dave = await network.add('dave');
  const copy = await mkdtemp(join(tmpdir(), 'filer-copy-'));
  try {
    await dave[Symbol.asyncDispose]();
    await cp(dave.home, copy, { recursive: true });
    const again = await (await network.start(dave.home)).connected();
    expect((await runHere('filer-client', copy, ['leave', '--yes'])).code).toBe(0);

    expect(await again.daemon.ended).toMatchObject({ code: 'not-a-member', exitCode: 6 });
  } finally {
    await rm(copy, { recursive: true });
  }
});

test('the bare word of a server does not end a daemon', async () => {
  const erin = await network.add('erin');
  const { directory, presence } = network.server;
  const know = directory.get.bind(directory);
  directory.get = (id) => (id === erin.daemon.id ? undefined : know(id));
  presence.expel(erin.daemon.id, new FilerError('removed', 'so says the server'));
  const status = await erin.status(({ server }) => JSON.stringify(server).includes('not-a-member'));
  directory.get = know;

  expect(status).toMatchObject({ running: true, ended: null, server: { problem: { code: 'not-a-member' } } });
  await erin.connected();
});

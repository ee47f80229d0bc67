import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { DaemonProcess, runProgram } from '../support/programs.ts';
import { TestNetwork } from '../support/test-network.ts';

let network: TestNetwork;
afterEach(() => network.close());

test('a replacement with the network key is followed by its members without a new invite', async () => {
  network = await TestNetwork.open({ running: ['alice', 'bob'] });
  await network.seesAs('alice', 'bob', 'online');
  const key = network.path('network.key');
  expect((await network.ofServer(['network-key', 'export', key])).code).toBe(0);
  const { port } = network.server;
  const oldId = network.server.ready['id'];
  await network.server.stop('SIGKILL');

  const home = network.path('new-server');
  const args = ['--host', '127.0.0.1', '--port', String(port), '--network-key', key];
  const replacement = await DaemonProcess.start('ip-server', args, home);
  onTestFinished(async () => void (await replacement.stop('SIGKILL')));
  expect(replacement.ready['id']).not.toBe(oldId);
  await network.daemon('alice').said('connected to the ip-server', 2);
  await network.daemon('bob').said('connected to the ip-server', 2);

  const [status] = await network.ask('alice', 'status');
  expect(status?.['server']).toMatchObject({ connected: true, id: replacement.ready['id'] });
  const listed = await runProgram('ip-server', ['peers', '--json'], home);
  expect(listed.stdout).toMatch(/"name":"alice".*"name":"bob"/);
  const file = await network.file('after.bin');
  expect((await network.client('alice', ['send', file, '--to', 'bob'])).code).toBe(0);
});

test('a server without the network key that takes the place of another one is not followed', async () => {
  network = await TestNetwork.open({ running: ['alice'] });
  const { port } = network.server;
  await network.server.stop('SIGKILL');

  const args = ['--host', '127.0.0.1', '--port', String(port)];
  const imposter = await DaemonProcess.start('ip-server', args, network.path('imposter'));
  onTestFinished(async () => void (await imposter.stop('SIGKILL')));
  await network.daemon('alice').said('does not prove the id that this machine joined');

  const { code } = await network.client('alice', ['report', 'state=ok']);
  expect(code).toBe(7);
});

test('a server that was restored from an older backup is used again, and its directory counts', async () => {
  network = await TestNetwork.open({ running: ['alice'] });
  await network.server.stop();
  const backup = network.path('backup');
  await cp(network.serverHome, backup, { recursive: true });
  await network.startServer();
  await network.add('bob');
  await network.seesAs('alice', 'bob', 'online');

  await network.server.stop();
  await rm(network.serverHome, { recursive: true });
  await cp(backup, network.serverHome, {
    recursive: true,
    filter: (path) => !path.startsWith(join(backup, 'control')),
  });
  await network.startServer();
  await network.add('carol');

  expect(await network.seesAs('alice', 'carol', 'online')).toMatchObject({ online: true });
});

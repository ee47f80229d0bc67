import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';

const HOUR_MS = 3_600_000;

afterEach(() => void vi.useRealTimers());

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

test('while the server is away no one is online: it is not known who is, and since when', async () => {
  const network = await openNetwork();
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await network.stopServer();
  const seen = await alice.sees('bob', ({ online }) => online === false);
  await bob[Symbol.asyncDispose]();
  const status = await alice.ask('status');
  const file = join(network.folder, 'x');
  await writeFile(file, 'hello');
  const sent = await alice.run('send', file, '--to', 'bob');
  const { asOf } = status['server'] as { asOf: string };

  expect(seen).toMatchObject({ state: 'unknown', lastSeen: asOf });
  expect(status['server']).toMatchObject({ connected: false });
  expect((await alice.run('peers')).stdout).toMatch(/^bob +unknown +/m);
  expect((await alice.run('status')).stdout).toContain('not connected, last connected');
  expect(sent.code).toBe(5);
  expect(sent.stdout + sent.stderr).toContain('no word of it, the last was ');
  expect(sent.stdout + sent.stderr).not.toContain('(online)');
});

test('who is online when the server is back is online again', async () => {
  const network = await openNetwork();
  const [alice] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await network.stopServer();
  await alice.sees('bob', ({ state }) => state === 'unknown');
  await network.startServer();

  expect(await alice.sees('bob')).toMatchObject({ state: 'online' });
});

test.each([
  ['ahead', 40 * 24 * HOUR_MS],
  ['back', -40 * 24 * HOUR_MS],
])('a clock of the server that is set %s makes no machine lost', async (_which, byMs) => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const network = await openNetwork();
  await network.add('alice');
  vi.setSystemTime(Date.now() + byMs);
  const before = Date.now() - HOUR_MS;

  const { overview, directory } = network.server;
  const [alice] = overview.each(directory.all().map(({ membership }) => membership.id));
  expect(alice).toMatchObject({ state: 'online', online: true });
  expect(alice?.member.lastSeen).toBeGreaterThan(before);
  expect(alice?.member.lastSeen).toBeLessThanOrEqual(Date.now());
});

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHere, until } from '../support/in-process.ts';
import { runningIn, type Line } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const MiB = 1024 * 1024;

/** Between anna, whom no one could dial, and the server stands a proxy that can stop time. */
let network: TestNetwork;
let proxy: TcpProxy;
let tree: Record<string, string>;

beforeAll(async () => {
  proxy = await TcpProxy.open();
  network = await TestNetwork.open({ serverArgs: ['--advertise', proxy.address] });
  proxy.target = network.server.listen;
  await network.join('anna');
  const folder = network.path('results');
  for (let n = 0; n < 4; n++) await writeRandomFile(await below(folder, `large/${n}`), 6 * MiB);
  for (let n = 0; n < 1_500; n++) await writeFile(await below(folder, `many/${n % 30}/${n}`), `file ${n}`);
  await network.ask('anna', 'share', 'add', folder, '--server');
  await network.start('anna');
  await network.askServer(
    'collect',
    'add',
    'all',
    '--from',
    'anna',
    '--path',
    'results/**',
    '--every',
    'day@03:00',
  );
  tree = await digests(folder);
});
afterAll(async () => {
  await network.close();
  await proxy[Symbol.asyncDispose]();
  const left = await runningIn(network.folder);
  if (left.length > 0) throw new Error(`processes were left: ${left.join(' ')}`);
});

async function below(folder: string, path: string): Promise<string> {
  await mkdir(join(folder, path, '..'), { recursive: true });
  return join(folder, path);
}

async function digests(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of await filesBelow(folder)) found[path] = await sha256(join(folder, path));
  return found;
}

async function ledger(): Promise<Line> {
  const [document] = await askHere('ip-server', network.serverHome, ['collect', 'show', 'all']);
  return listOf(document, 'machines')[0] ?? {};
}

function delivered(): Promise<Line> {
  return until(ledger, ({ state }) => state === 'delivered');
}

/** All of it is there once, whole, and nothing else. */
async function expectWhole(line: Line): Promise<void> {
  expect(await digests(join(String(line['folder']), 'results'))).toEqual(tree);
  expect(line).toMatchObject({ files: Object.keys(tree).length, bytes: expect.any(Number), filesFailed: 0 });
  const all = await filesBelow(join(network.serverHome, 'collected'));
  expect(all.filter((path) => path.includes('.filer-part-'))).toEqual([]);
}

/** Begins a run and stops time when so many bytes of it have passed. */
async function half(): Promise<void> {
  proxy.passed = 0; // of the run before
  const held = proxy.hold(12 * MiB);
  const following = network.followServer(['collect', 'run', 'all', '--json']);
  await held;
  await following.stop('SIGINT');
  expect(following.stderr).toContain('The run continues in the background');
}

test('a machine that is killed in the middle delivers the rest when it is back', async () => {
  await half();
  await network.daemon('anna').stop('SIGKILL');
  proxy.release();
  await network.start('anna');
  const line = await delivered();
  expect(line['tries']).toBe(2);
  await expectWhole(line);
});

test('a server that is killed in the middle continues with the run, and the ledger is true', async () => {
  await half();
  await network.server.stop('SIGKILL');
  proxy.cut();
  expect(await network.askServer('collect', 'show', 'all')).toMatchObject({
    running: false,
    machines: [{ state: 'asked', deliveredAt: null }],
  });
  await network.startServer();
  await expectWhole(await delivered());
  const { runs } = await network.askServer('collect', 'show', 'all');
  expect(runs).toHaveLength(2);
});

test('a connection that is cut is made again, and what came does not travel again', async () => {
  await half();
  const connections = proxy.connections;
  proxy.cut();
  await expectWhole(await delivered());
  expect(proxy.connections).toBeGreaterThan(connections);
  expect(proxy.passed).toBeLessThan(24 * MiB);
});

test('a server that is told to stop in the middle continues after its next start', async () => {
  await half();
  proxy.release();
  const { server } = network;
  await server.stop();
  expect(server.stderr).toContain(' stopped');
  await network.startServer();
  await expectWhole(await delivered());
});

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askHere, runHere } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import type { ClientHere } from '../support/network-here.ts';
import { PostgresCluster, sqlIn } from '../support/postgres-cluster.ts';
import { DaemonProcess, type Line } from '../support/programs.ts';
import { ServersHere } from '../support/servers-here.ts';

const TITLES = ['anna stops', 'bob dies'];

/**
 * The short form of `servers.long.test.ts`, with what must happen once: the server that runs the timers stands still
 * after it has begun a collect that is due, while another one is killed. It takes as long as their leases.
 */
test.skipIf(needs.postgres())(
  'a server stands still and another one is killed: their machines come to the third one, where each report is once, and what is due happens once',
  async () => {
    await using cluster = await PostgresCluster.start();
    const address = await cluster.freshDatabase();
    await using network = await ServersHere.open(address);
    const start = async (name: string, port = 0): Promise<DaemonProcess> => {
      const where = ['--host', '127.0.0.1', '--port', `${port}`, '--store', address];
      const server = await DaemonProcess.start(
        'ip-server',
        [...where, '--broadcast-interval', '200ms', '--report-interval', '2s'],
        network.home(name),
      );
      onTestFinished(async () => void (await server.stop('SIGKILL')));
      return server;
    };
    // The first one runs the timers.
    const stops = await start('stops');
    const add = async (name: string): Promise<ClientHere> => {
      const link = (await runHere('ip-server', network.home('stops'), ['invite'])).stdout.trim();
      await runHere('filer-client', network.home(name), ['join', '-', '--name', name], link);
      const client = await (await network.startClient(name)).connected();
      const folder = join(network.folder, `${name}-results`);
      await mkdir(folder);
      await writeFile(join(folder, 'a.txt'), name);
      await client.ask('share', 'add', folder, '--as', 'results', '--server');
      return client;
    };
    // There is one server yet.
    const anna = await add('anna');
    const dies = await start('dies');
    const well = await network.start('well');
    const names = new Map([dies, stops, well].map(({ id }, at) => [id, ['dies', 'stops', 'well'][at]]));
    const seenAt = async (home: string): Promise<string> => {
      const [{ peers } = {}] = await askHere('ip-server', home, ['peers']);
      const each = ({ name, state, server }: Line): string =>
        [name, state, names.get(String(server))].join(' ');
      return (peers as Line[]).map(each).toSorted().join(', ');
    };
    const list = (id: string) => askHere('ip-server', network.home('stops'), ['servers', 'add', id]);
    await list(dies.id);
    let bob = await add('bob');
    // It takes either.
    for (;;) {
      await expect.poll(() => seenAt(well.home)).toMatch(/^anna online stops, bob online \w+$/);
      if ((await seenAt(well.home)).endsWith('dies')) break;
      await bob[Symbol.asyncDispose]();
      await expect.poll(() => seenAt(well.home)).toContain('bob stopped');
      bob = await (await network.startClient('bob')).connected();
    }
    await list(well.id);
    for (const { home } of [anna, bob])
      await expect.poll(() => readFile(join(home, 'membership.json'), 'utf8')).toContain(well.id);
    const to = join(network.folder, 'collected');
    const what = ['--from', '@all', '--path', 'results/**', '--every', '1h', '--to', to];
    await well.ask('collect', 'add', 'results', ...what);

    await sqlIn(address, 'UPDATE collects SET next_at = 1');
    await expect.poll(() => sqlIn(address, 'SELECT number FROM collect_runs')).toHaveLength(1);
    stops.child.kill('SIGSTOP');
    await dies.stop('SIGKILL');
    await anna.ask('report', '--title', TITLES[0] ?? '');
    await bob.ask('report', '--title', TITLES[1] ?? '');
    const states = new Set<string>();
    await expect
      .poll(async () => {
        const seen = await seenAt(well.home);
        states.add(seen);
        return seen;
      })
      .toBe('anna online well, bob online well');
    for (const client of [anna, bob]) await client.status(({ spool }) => spool === 0);

    // The one that stood still knows what happened; the one that died knows it when it is back.
    stops.child.kill('SIGCONT');
    await start('dies', dies.port);
    for (const name of ['dies', 'stops', 'well']) {
      const home = network.home(name);
      await expect.poll(() => seenAt(home)).toBe('anna online well, bob online well');
      const { stdout } = await runHere('ip-server', home, ['reports', '--json']);
      expect(
        [...stdout.matchAll(/"title":\s*"(\w+ \w+)"/g)].map(([, title = '']) => title).toSorted(),
      ).toEqual(TITLES);
    }
    for (const seen of states)
      expect(seen).toMatch(/^anna (online|unknown|lost) \w*, bob (online|unknown|lost) \w*$/);
    const delivered = async (): Promise<unknown> => {
      const { machines } = await well.ask('collect', 'show', 'results');
      return (machines as Line[]).map(({ name, state }) => `${String(name)} ${String(state)}`).toSorted();
    };
    await expect.poll(delivered).toEqual(['anna delivered', 'bob delivered']);
    expect(await sqlIn(address, 'SELECT number FROM collect_runs')).toHaveLength(1);
    const files = await readdir(to, { recursive: true });
    expect(files.filter((file) => file.endsWith('a.txt'))).toHaveLength(2);
  },
);

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freshFolder, ipServer, ipServerJson } from '../../support/ip-server.ts';
import { until } from '../../support/in-process.ts';
import { needs } from '../../support/needs.ts';
import { NetworkHere } from '../../support/network-here.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';

describe.skipIf(needs.postgres())('a network', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => {
    cluster = await PostgresCluster.start();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  async function openNetwork(): Promise<NetworkHere> {
    const network = await NetworkHere.open();
    onTestFinished(() => network[Symbol.asyncDispose]());
    return network;
  }

  test('moves to PostgreSQL and back, and its machines notice nothing: each report is there once', async () => {
    const network = await openNetwork();
    const anna = await network.add('anna');
    const report = (title: string) => anna.run('report', '--title', title, 'a=1');
    const titles = async (least: number): Promise<unknown[]> => {
      const listed = async () => (await network.askServer('reports'))['reports'] as { title: string }[];
      return (await until(listed, ({ length }) => length >= least)).map(({ title }) => title);
    };
    await report('one');
    expect(await titles(1)).toEqual(['one']);
    const { epoch } = network.server.store.registry;
    const { id } = network.server.identity;
    const address = await cluster.freshDatabase();
    const move = async (from: string, to: string): Promise<unknown> => {
      await network.stopServer();
      const copied = await network.askServer('store', 'copy', '--from', from, '--to', to);
      await report(`while ${from.slice(0, 6)} moves`);
      await network.startServer();
      await anna.connected();
      return copied;
    };
    expect(await move('sqlite', address)).toMatchObject({ home: network.serverHome, to: address, files: 0 });
    expect(await network.askServer('status')).toMatchObject({
      store: { engine: 'postgresql', reachable: true, problem: null, bytes: expect.any(Number) as number },
    });
    expect(await titles(2)).toEqual(['one', 'while sqlite moves']);
    await move(address, `sqlite:${network.serverHome}`);
    expect(await network.askServer('status')).toMatchObject({ store: { engine: 'sqlite' } });

    expect(await titles(3)).toEqual(['one', 'while sqlite moves', 'while postgr moves']);
    expect(network.server.store.registry.epoch).toBe(epoch);
    expect(network.server.identity.id).toBe(id);
    expect(network.server.directory.byName('anna')?.status).toBe('member');
  });

  test('is not copied while a server runs on either side', async () => {
    const network = await openNetwork();
    const copy = (from: string, to: string) => network.runServer('store', 'copy', '--from', from, '--to', to);
    const address = await cluster.freshDatabase();
    expect((await copy('sqlite', address)).stderr).toMatch(/in use/);
    await network.stopServer();
    expect((await copy('sqlite', address)).code).toBe(0);
    await network.startServer();

    const other = await freshFolder();
    const outcome = await ipServer(other, 'store', 'copy', '--from', address, '--to', `sqlite:${other}`);
    expect(outcome).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/is in use/) as string,
    });
  });

  test('is not begun in an empty store while the home has one in another store', async () => {
    const network = await openNetwork();
    await network.stopServer();
    const [first, second] = [await cluster.freshDatabase(), await cluster.freshDatabase()];
    const start = (...args: string[]) => ipServer(network.serverHome, 'start', '--http-port', 'off', ...args);
    const refused = { code: 1, stderr: expect.stringContaining('ip-server store copy --from') as string };
    expect(await start('--store', first)).toMatchObject(refused);
    await network.askServer('store', 'copy', '--from', 'sqlite', '--to', first);
    expect(await start('--store', second)).toMatchObject(refused);

    const { networkHome, home } = { networkHome: network.serverHome, home: await freshFolder() };
    const moved = ['store', 'copy', '--from', first, '--to', `sqlite:${home}`];
    expect((await ipServer(networkHome, ...moved)).code).toBe(0);
    expect(await ipServerJson(home, 'status')).toMatchObject({ store: { engine: 'sqlite' }, running: false });
  });

  test('goes with its files to another home, and a part of it that is there already is not copied twice', async () => {
    const network = await openNetwork();
    const anna = await network.add('anna');
    const file = join(network.folder, 'log.txt');
    await writeFile(file, 'what happened\n');
    await anna.run('report', '--title', 'with a file', '--attach', file);
    await until(
      async () => ((await network.askServer('reports'))['reports'] as unknown[]).length,
      (count) => count === 1,
    );
    await network.stopServer();
    const home = join(network.folder, 'elsewhere');
    const copy = () => network.askServer('store', 'copy', '--from', 'sqlite', '--to', `sqlite:${home}`);
    expect(await copy()).toMatchObject({ files: 1, fileBytes: 14 });
    expect(await copy()).toMatchObject({ files: 1, fileBytes: 14 });
    await network.startServer(home);
    await anna.connected();

    const [{ id } = {}] = (await ipServerJson(home, 'reports'))['reports'] as { id?: string }[];
    const got = await ipServer(home, 'reports', 'get', String(id), '--out', join(network.folder, 'out'));
    expect(got.code).toBe(0);
  });

  test('of a database that is gone is told by status, which answers', async () => {
    const gone = await PostgresCluster.start();
    const network = await NetworkHere.open({ store: await gone.freshDatabase() });
    onTestFinished(() => network[Symbol.asyncDispose]());
    await gone[Symbol.asyncDispose]();

    expect(await network.askServer('status')).toMatchObject({
      running: true,
      attachmentBytes: null,
      store: { engine: 'postgresql', reachable: false, bytes: null, problem: expect.any(String) as string },
    });
  });

  test('with a password in an address is refused, and the password is not repeated', async () => {
    const home = await freshFolder();
    const outcome = await ipServer(
      home,
      'store',
      'copy',
      '--from',
      'sqlite',
      '--to',
      'postgres://a:geheim@h/b',
    );
    expect(outcome.code).toBe(2);
    expect(outcome.stderr + outcome.stdout).not.toContain('geheim');
    expect(outcome.stderr).toContain('PGPASSFILE');
  });
});

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runHere, until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

async function opened(): Promise<{ network: NetworkHere; alice: ClientHere; bob: ClientHere; copy: string }> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await Promise.all([alice.sees('bob'), bob.sees('alice')]);
  const copy = await mkdtemp(join(tmpdir(), 'filer-copy-'));
  onTestFinished(() => rm(copy, { recursive: true }));
  await bob[Symbol.asyncDispose]();
  await cp(bob.home, copy, { recursive: true });
  const again = await network.start(bob.home);
  await again.connected();
  await alice.sees('bob');
  return { network, alice, bob: again, copy };
}

test.each([true, false])(
  'a machine that has left is no member to its peers (told with the server: %s)',
  async (up) => {
    const { network, alice, bob, copy } = await opened();
    if (!up) await network.stopServer();
    expect(await bob.ask('leave', '--yes')).toMatchObject({ told: up });
    await bob[Symbol.asyncDispose]();
    await until(
      () => alice.run('peers'),
      ({ stdout }) => !stdout.includes('bob'),
    );
    if (up) await network.stopServer();
    const file = join(network.folder, 'file');
    await writeFile(file, 'hello');

    for (const args of [
      ['message', 'alice', 'hello'],
      ['send', file, '--to', 'alice'],
    ]) {
      expect(await runHere('filer-client', copy, args)).toMatchObject({ code: 6 });
    }
    expect(await alice.run('send', file, '--to', 'bob')).toMatchObject({ code: 4 });
    if (!up) return;
    await network.startServer();
    expect(await network.join('bob', bob.home)).toMatchObject({ code: 0 });
    await network.start(bob.home);
    await alice.sees('bob');
    expect(await alice.run('send', file, '--to', 'bob')).toMatchObject({ code: 0 });
  },
);

test('a leave spreads from machine to machine, and to a server that was away', async () => {
  const { network, alice, bob, copy } = await opened();
  const carol = await network.add('carol');
  await Promise.all([alice.sees('carol'), carol.sees('alice')]);
  const { port } = carol;
  await carol[Symbol.asyncDispose]();
  await network.stopServer();
  await bob.ask('leave', '--yes');
  await bob[Symbol.asyncDispose]();
  const back = await network.start(carol.home, port);
  expect(await back.run('message', 'alice', 'hello')).toMatchObject({ code: 0 });
  expect(await back.run('message', 'bob', 'hello')).toMatchObject({ code: 4 });
  await network.startServer();
  await back.connected();

  expect(network.server.directory.get(bob.daemon.id)?.status).toBe('left');
  expect(await runHere('filer-client', copy, ['message', 'alice', 'hello'])).toMatchObject({ code: 6 });
});

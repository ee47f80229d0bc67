import { amend, loadNetworkKey } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { runHere } from '../../support/in-process.ts';
import { NetworkHere } from '../../support/network-here.ts';
import { TestMember } from '../../support/test-member.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

/** As a server of an earlier version renamed it. */
async function renameByOlderServer(network: NetworkHere, name: string, wish: string): Promise<void> {
  const { directory, home } = network.server;
  const known = directory.byName(name);
  if (known === undefined) throw new Error(`nobody is called ${name}`);
  const key = await loadNetworkKey(home.networkKeyFile);
  const { serial } = known.membership;
  await directory.amend(amend(known.membership, { name: wish, serial: serial + 1 }, key));
}

test.each(['ip-server', 'server', 'all'])('no machine is called %s', async (name) => {
  const network = await openNetwork();
  await network.join('bob');

  expect((await network.join(name)).code).toBe(2);
  expect((await network.runServer('rename', 'bob', name)).code).toBe(2);
  await expect(TestMember.join(await network.invite(), name)).rejects.toMatchObject({
    code: 'name-refused',
    message: expect.stringContaining(`"${name}-1"`) as unknown,
  });
});

test('a machine that has such a name from an earlier version is refused by others until it is renamed', async () => {
  const network = await openNetwork();
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await bob.sees('alice');
  await renameByOlderServer(network, 'bob', 'server');
  await bob.status(({ name }) => name === 'server');

  expect(await bob.ask('report', 'state=ok')).toMatchObject({ stored: true });
  const said = await runHere('filer-client', bob.home, ['message', 'alice', 'hello', '--json']);
  expect(said).toMatchObject({ code: 6, stdout: expect.stringContaining('name-refused') as unknown });
  expect(await alice.ask('peers')).toMatchObject({ peers: [{ name: 'bob' }] });

  await network.askServer('rename', 'server', 'ben');
  await bob.status(({ name }) => name === 'ben');
  await alice.sees('ben');
  expect(await bob.run('message', 'alice', 'hello')).toMatchObject({ code: 0 });
});

test('a text of the server is shown in a form that no name has', async () => {
  const network = await openNetwork();
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await network.askServer('broadcast', 'from the server');
  await alice.status(() => alice.events.some(({ type }) => type === 'message'));
  await bob.run('message', 'alice', 'from bob');

  const { stdout } = await alice.run('messages');
  expect(stdout).toMatch(/ \(ip-server\) to @all [^]* bob /);
  expect(await alice.ask('messages')).toMatchObject({
    messages: [
      { from: 'ip-server', fromId: network.server.identity.id, fromServer: true },
      { from: 'bob', fromId: bob.daemon.id, fromServer: false },
    ],
  });
  expect(alice.events).toContainEqual(expect.objectContaining({ from: 'ip-server', fromServer: true }));
});

test('a share is for every member or for groups, and all is no group', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');

  expect((await alice.run('share', 'add', '/usr', '--group', '@all')).code).toBe(2);
});

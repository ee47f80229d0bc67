import { cp, rm } from 'node:fs/promises';
import { amend, loadNetworkKey, type Membership } from '@filer/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { beginRun, isGivenOut } from '../../apps/ip-server/src/store/positions.ts';
import { ownStore } from '../support/engine.ts';
import { NetworkHere } from '../support/network-here.ts';
import { TestMember } from '../support/test-member.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

async function backUp(network: NetworkHere): Promise<void> {
  await network.stopServer();
  await cp(network.serverHome, network.home('backup'), { recursive: true });
  await ownStore(network.home('backup'));
  await network.startServer();
}

async function restore(network: NetworkHere): Promise<void> {
  await network.stopServer();
  await rm(network.serverHome, { recursive: true });
  await cp(network.home('backup'), network.serverHome, { recursive: true });
  await ownStore(network.serverHome);
  await network.startServer();
}

describe('a server whose home was restored', () => {
  test('learns names and groups that were changed since the backup from their machines', async () => {
    const network = await openNetwork();
    const [alice, bob] = [await network.add('alice'), await network.add('bob')];
    await backUp(network);
    await network.askServer('rename', 'bob', 'bobby');
    await network.askServer('group', 'add', 'bobby', 'lab');
    bob.daemon.reconnect();
    await bob.status(({ groups }) => JSON.stringify(groups) === '["lab"]');
    await restore(network);
    for (const client of [alice, bob]) client.daemon.reconnect();
    await bob.connected();

    expect(network.server.directory.byName('bob')).toBeUndefined();
    expect(network.server.directory.byName('bobby')?.membership).toMatchObject({ groups: ['lab'] });
    expect((await network.join('bob', network.home('second'))).code).toBe(0);
  });

  test('keeps the older name of a machine whose newer one belongs to another machine now', async () => {
    const network = await openNetwork();
    const bob = await network.add('bob');
    await backUp(network);
    await network.askServer('rename', 'bob', 'bobby');
    bob.daemon.reconnect();
    await bob.status(({ name }) => name === 'bobby');
    await bob[Symbol.asyncDispose]();
    await restore(network);
    await network.join('bobby', network.home('second'));
    const again = await (await network.start(bob.home)).connected();

    expect(network.server.directory.get(again.daemon.id)?.membership.name).toBe('bob');
    await network.askServer('rename', 'bob', 'ben');
    await expect(again.status(({ name }) => name === 'ben')).resolves.toBeDefined();
  });

  test('takes in those who joined since, and counts the uses of their invites', async () => {
    const network = await openNetwork();
    const link = await network.invite('--uses', '1');
    await backUp(network);
    const anna = await TestMember.join(link, 'anna');
    await restore(network);
    await using _ = await anna.connect({ hello: { membership: anna.membership } });
    await using again = await anna.connect({ role: 'command', hello: { membership: anna.membership } });

    expect(again.welcome.membership).toEqual(anna.membership);
    expect(await network.askServer('invite', '--list')).toMatchObject({
      invites: [{ used: 1, state: 'used-up' }],
    });
    await expect(TestMember.join(link, 'ben')).rejects.toMatchObject({ code: 'invite-used-up' });
  });

  test('takes no membership that is forged, older, or has a name that no machine may have', async () => {
    const network = await openNetwork();
    const anna = await TestMember.join(await network.invite(), 'anna');
    const key = await loadNetworkKey(network.server.home.networkKeyFile);
    const { serial } = anna.membership;
    const show = async (membership: Membership): Promise<string> => {
      await using connection = await anna.connect({ role: 'command', hello: { membership } });
      return connection.welcome.membership?.name ?? '';
    };
    const newer = amend(anna.membership, { name: 'hanna', serial: serial + 1 }, key);

    await expect(show({ ...anna.membership, serial: serial + 9 })).rejects.toMatchObject({
      cause: { code: 'signature-invalid' },
    });
    await expect(
      show(amend(anna.membership, { name: 'server', serial: serial + 1 }, key)),
    ).rejects.toMatchObject({ code: 'name-refused' });
    expect(await show(newer)).toBe('hanna');
    expect(await show(anna.membership)).toBe('hanna');
  });

  test('leaves no one online who went away unseen', async () => {
    const network = await openNetwork();
    const alice = await network.add('alice');
    await network.join('bob');
    await alice.sees('bob', () => true);
    await backUp(network);
    alice.daemon.reconnect();
    const bob = await (await network.start(network.home('bob'))).connected();
    await network.join('carl');
    const carl = await (await network.start(network.home('carl'))).connected();
    await alice.sees('bob');
    await alice.sees('carl');
    await network.stopServer();
    await bob[Symbol.asyncDispose]();
    await carl[Symbol.asyncDispose]();
    await rm(network.serverHome, { recursive: true });
    await cp(network.home('backup'), network.serverHome, { recursive: true });
    await ownStore(network.serverHome);
    await network.startServer();
    alice.daemon.reconnect();
    await alice.connected();

    const states = ((await alice.ask('peers'))['peers'] as { name: string; state: string }[]).map(
      ({ name, state }) => `${name} ${state}`,
    );
    expect(states).toEqual(['bob lost', 'carl lost']);
  });
});

test('a position is known if this database gave it out, in whichever run', () => {
  const first = beginRun(undefined, 5, 100);
  const second = beginRun(first, 120, 200);

  expect([0, 5, 100, 120, 200, 230].map((at) => isGivenOut(second, at, 230))).toEqual(Array(6).fill(true));
  expect([6, 99, 121, 199, 231].map((at) => isGivenOut(second, at, 230))).toEqual(Array(5).fill(false));
});

test('runs are kept up to a bound, and old positions stay known', () => {
  let runs = beginRun(undefined, 0, 10);
  for (let start = 2; start <= 200; start++) runs = beginRun(runs, start * 10 - 5, start * 10);

  expect(runs.length).toBeLessThanOrEqual(64);
  expect(isGivenOut(runs, 10, 2_000)).toBe(true);
  expect(isGivenOut(runs, 1_997, 2_000)).toBe(false);
});

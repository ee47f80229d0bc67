import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectDaemon, resolveHome } from '@filer/program';
import { loadNetworkKey, parseRemovals, signRemoval } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { contract } from '../../apps/ip-server/src/api/contract.ts';
import { ownStore } from '../support/engine.ts';
import { freshFolder, RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

describe('removing a machine', () => {
  test('closes its live connections at once, tells everyone, bars its id and frees its name', async () => {
    await using server = await RunningServer.start();
    const link = await server.invite('--uses', '5');
    const removed = await TestMember.join(link, 'ben');
    await using anna = await (await TestMember.join(link, 'anna')).connect();
    const live = [await removed.connect(), await removed.connect({ role: 'command' })];
    expect(await server.run('remove', 'ben', '--yes')).toMatchObject({ code: 0 });

    for (const { session } of live) expect(await session.closed).toMatchObject({ code: 'removed' });
    await anna.until(() => anna.removals.some(({ id }) => id === removed.id));
    await expect(removed.connect()).rejects.toMatchObject({ code: 'removed' });
    const again = TestMember.join(link, 'ben', { identity: removed.identity });
    await expect(again).rejects.toMatchObject({ code: 'removed' });
    await expect(TestMember.join(link, 'ben')).resolves.toBeDefined();
    expect(await server.json('peers')).toMatchObject({
      peers: [{ name: 'anna' }, { name: 'ben', state: 'lost' }],
    });
  });

  test('with a number that another removal took meanwhile is refused, and no one is said to be removed', async () => {
    await using server = await RunningServer.start();
    const link = await server.invite('--uses', '2');
    const { id: first } = await TestMember.join(link, 'first');
    const { id: second } = await TestMember.join(link, 'second');
    const networkKey = await loadNetworkKey(join(server.home, 'network-key.pem'));
    const control = await connectDaemon(resolveHome('ip-server', { IP_SERVER_HOME: server.home }));
    if (control === undefined) throw new Error('the server runs');
    const { number } = await control.call(contract.removalNext, {});
    const remove = (id: string): Promise<unknown> =>
      control.call(contract.remove, { removal: signRemoval(networkKey, { number, id, removedAt: 1 }) });
    await remove(first);

    await expect(remove(second)).rejects.toMatchObject({ code: 'verification-failed' });
    await control.close();
    expect(await server.peer('second')).toMatchObject({ state: 'lost' });
  });

  test('at the same time as another one removes both', async () => {
    await using server = await RunningServer.start();
    const link = await server.invite('--uses', '3');
    for (const name of ['one', 'two', 'three']) await TestMember.join(link, name);
    const removals = await Promise.all(
      ['one', 'two', 'three'].map((name) => server.run('remove', name, '--yes')),
    );

    expect(removals.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await server.json('peers')).toMatchObject({ peers: [] });
  });

  test('is known to a member that was away, by its number, and survives a restart', async () => {
    const server = await RunningServer.start();
    const link = await server.invite('--uses', '2');
    const anna = await TestMember.join(link, 'anna');
    const ben = await TestMember.join(link, 'ben');
    await server.run('remove', ben.id, '--yes');
    await server.stop();
    await using _ = await server.again();
    await using connection = await anna.connect();
    const answer = await connection.session.request({ type: 'removals-get', after: '0' });

    expect(connection.welcome.removals).toBe(1);
    expect(parseRemovals(answer)).toMatchObject([{ number: 1, id: ben.id }]);
  });

  test('is learnt back by a server whose home was restored, from a member that knows it', async () => {
    const server = await RunningServer.start();
    const link = await server.invite('--uses', '2');
    const anna = await TestMember.join(link, 'anna');
    const ben = await TestMember.join(link, 'ben');
    await server.stop();
    const backup = join(await freshFolder(), 'backup');
    await cp(server.home, backup, { recursive: true });
    await ownStore(backup);
    const before = await server.again();
    await before.run('remove', 'ben', '--yes');
    await using knowing = await anna.connect();
    const answer = await knowing.session.request({ type: 'removals-get', after: '0' });
    await before[Symbol.asyncDispose]();
    await using restored = await RunningServer.start([], backup, server.port);
    expect(await restored.peer('ben')).toMatchObject({ state: 'lost' });
    await using victim = await ben.connect();
    await using witness = await anna.connect({ removals: parseRemovals(answer) });

    expect(witness.welcome.removals).toBe(1);
    expect(await victim.session.closed).toMatchObject({ code: 'removed' });
    expect(await restored.peer('ben')).toMatchObject({ state: 'removed' });
  });

  test('of everyone who joined with an invite goes with revoking it, also while the server is stopped', async () => {
    const server = await RunningServer.start();
    const link = await server.invite('--uses', '9');
    const [first] = [await TestMember.join(link, 'one'), await TestMember.join(link, 'two')];
    await TestMember.join(await server.invite(), 'three');
    await server.stop();
    const { invite } = first.membership;
    const revoked = await server.run('invite', '--revoke', invite, '--with-members', '--yes');
    expect(revoked).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('removed 2 machines') as unknown,
    });
    await using again = await server.again();

    expect(await again.json('peers')).toMatchObject({ peers: [{ name: 'three' }] });
    await expect(first.connect()).rejects.toMatchObject({ code: 'removed' });
  });
});

describe('the network key', () => {
  test('once taken away, is asked for by name, and works from its file', async () => {
    const folder = await freshFolder();
    const file = join(folder, 'key.pem');
    await using server = await RunningServer.start();
    await TestMember.join(await server.invite(), 'ben');
    expect((await server.run('network-key', 'export', file, '--remove', '--yes')).code).toBe(0);
    const missing = { code: 6, stderr: expect.stringContaining('--network-key FILE') as unknown };

    expect(await server.json('status')).toMatchObject({ networkKey: 'exported' });
    expect(await server.run('invite')).toMatchObject(missing);
    expect(await server.run('remove', 'ben', '--yes')).toMatchObject(missing);
    expect(await server.run('invite', '--network-key', file)).toMatchObject({ code: 0 });
    expect(await server.run('remove', 'ben', '--yes', '--network-key', file)).toMatchObject({ code: 0 });
    expect((await server.run('network-key', 'export', file)).code).toBe(6);
  });

  test('of another network is refused', async () => {
    const file = join(await freshFolder(), 'key.pem');
    await using other = await RunningServer.start();
    await other.run('network-key', 'export', file);
    await using server = await RunningServer.start();

    expect(await server.run('invite', '--network-key', file)).toMatchObject({ code: 7 });
  });

  test('makes a replacement server in an empty home, whose record wins', async () => {
    const file = join(await freshFolder(), 'key.pem');
    await using first = await RunningServer.start();
    const before = await TestMember.join(await first.invite(), 'anna');
    await first.run('network-key', 'export', file);
    await first.stop();
    await using second = await RunningServer.start(['--network-key', file]);
    const { stdout } = await second.run('invite', '--network-key', file);
    const after = await TestMember.join(stdout, 'ben');

    expect(after.network).toBe(before.network);
    expect(after.serverRecord.server).toBe(second.id);
    expect(after.serverRecord.serial).toBeGreaterThan(before.serverRecord.serial);
  });

  test('an identity that does not belong to the database is never replaced in silence', async () => {
    await using server = await RunningServer.start();
    await server.stop();
    await rm(join(server.home, 'key.pem'));
    expect(await server.run('start')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('key.pem') as unknown,
    });
    await rm(join(server.home, 'cert.pem'));

    expect(await server.run('start')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('belongs to the server') as unknown,
    });
    expect(await readdir(server.home)).not.toContain('key.pem');
  });
});

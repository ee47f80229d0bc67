import { join } from 'node:path';
import { createIdentity, createInvite, createKeyPair, formatInvite, loadNetworkKey } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

describe('joining', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await RunningServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('a machine that joins with an invite is a member of its groups and is listed', async () => {
    const link = await server.invite('--group', 'lab,roof');
    const member = await TestMember.join(link, 'anna');

    expect(member.membership).toMatchObject({ name: 'anna', groups: ['lab', 'roof'], server: server.id });
    expect(await server.json('peers')).toMatchObject({
      server: { connected: true },
      peers: [{ id: member.id, name: 'anna', groups: ['lab', 'roof'], online: false, state: 'lost' }],
    });
  });

  test('a member that says hello is online, with its heartbeat, until it says goodbye', async () => {
    const member = await TestMember.join(await server.invite(), 'ben');
    const connection = await member.connect();
    await connection.heartbeat({ loadHundredths: 150 });
    await connection.report(1); // answered after the heartbeat was taken

    expect(await server.peer('ben')).toMatchObject({
      online: true,
      state: 'online',
      via: 'direct',
      version: '0.0.0-test',
      lastHeartbeat: { load: 1.5 },
    });

    await connection.goodbye();
    expect(await server.peer('ben')).toMatchObject({ online: false, state: 'stopped', via: null });
  });

  test.each([
    ['a used-up invite', ['--uses', '1'], 'invite-used-up', true],
    ['an expired invite', ['--expires', '1ms'], 'invite-expired', false],
  ])('%s is refused', async (_, args, code, isUsedFirst) => {
    const link = await server.invite(...args);
    if (isUsedFirst) await TestMember.join(link, `first-${code}`);

    await expect(TestMember.join(link, `second-${code}`)).rejects.toMatchObject({ code });
  });

  test('an invite that would be over at once is refused', async () => {
    expect(await server.run('invite', '--expires', '0s')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--expires') as unknown,
    });
  });

  test('an invite is printed once, to where its reader asked for it', async () => {
    const { stdout, stderr } = await server.run('invite');

    expect(stdout).toContain('filer://');
    expect(stderr).not.toContain(stdout.trim().split('/').at(-1));
  });

  test.each([[['invite', '--group', 'all']], [['group', 'add', 'anna', 'all']]])(
    '%j is refused: @all is everyone already',
    async (args) => {
      expect(await server.run(...args)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('not "all"') as unknown,
      });
    },
  );

  test('a member has 32 connections at the most, and a daemon still takes its own place', async () => {
    const member = await TestMember.join(await server.invite(), 'busy');
    const live = [await member.connect()];
    while (live.length < 32) live.push(await member.connect({ role: 'command' }));

    await expect(member.connect({ role: 'command' })).rejects.toMatchObject({ code: 'too-many-connections' });
    live.push(await member.connect());
    for (const connection of live) connection.vanish();
  });

  test('a revoked invite is refused', async () => {
    const link = await server.invite();
    const { invites } = (await server.json('invite', '--list')) as {
      invites: { id: string; state: string }[];
    };
    const open = invites.findLast((invite) => invite.state === 'open');
    expect((await server.run('invite', '--revoke', open?.id ?? '')).code).toBe(0);

    await expect(TestMember.join(link, 'late')).rejects.toMatchObject({ code: 'invite-revoked' });
  });

  test('an invite that the network signed and this server never made is refused', async () => {
    const networkKey = await loadNetworkKey(join(server.home, 'network-key.pem'));
    const now = Date.now();
    const addresses = [{ host: server.host, port: server.port }];
    const limits = { groups: [], expiresAt: now + 60_000, uses: 1, now };
    const invite = createInvite({ networkKey, server: server.id, addresses, ...limits });

    await expect(TestMember.join(formatInvite(invite), 'forged')).rejects.toMatchObject({
      code: 'invite-wrong',
    });
  });

  test('an invite of another network that leads to this server is refused', async () => {
    const addresses = [{ host: server.host, port: server.port }];
    const now = Date.now();
    const limits = { groups: [], expiresAt: now + 60_000, uses: 1, now };
    const invite = createInvite({ networkKey: createKeyPair(), server: server.id, addresses, ...limits });

    await expect(TestMember.join(formatInvite(invite), 'lost')).rejects.toMatchObject({ code: 'refused' });
  });

  test('a name that is taken is refused with one that is free', async () => {
    const link = await server.invite('--uses', '3');
    await TestMember.join(link, 'nas');

    await expect(TestMember.join(link, 'nas')).rejects.toMatchObject({
      code: 'name-taken',
      message: expect.stringContaining('"nas-2" is free') as unknown,
    });
  });

  test('a name that is no name is refused with one that is', async () => {
    await expect(TestMember.join(await server.invite(), 'Nas Büro')).rejects.toMatchObject({
      code: 'name-refused',
      message: expect.stringContaining('"nas-buro"') as unknown,
    });
  });

  test('claims other than those drafted are not signed', async () => {
    const link = await server.invite();
    const change = <T extends object>(claims: T): T => ({ ...claims, groups: ['admins'] });

    await expect(TestMember.join(link, 'eve', { change })).rejects.toMatchObject({ code: 'refused' });
    await expect(TestMember.join(link, 'honest')).resolves.toBeDefined();
  });

  test('a one-use invite used 50 times at once admits exactly one machine', async () => {
    const link = await server.invite();
    const identities = await Promise.all(Array.from({ length: 50 }, () => createIdentity()));
    const tries = await Promise.allSettled(
      identities.map((identity, index) => TestMember.join(link, `racer-${index}`, { identity })),
    );

    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const reasons = tries.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    for (const reason of reasons) expect(reason).toMatchObject({ code: 'invite-used-up' });
    const { peers } = (await server.json('peers')) as { peers: { name: string }[] };
    expect(peers.filter(({ name }) => name.startsWith('racer-'))).toHaveLength(1);
  });

  test('a machine that repeats its enrolment uses the invite up once', async () => {
    const link = await server.invite();
    const identity = await createIdentity();
    const first = await TestMember.join(link, 'twice', { identity });
    const second = await TestMember.join(link, 'twice', { identity });

    expect(second.membership).toEqual(first.membership);
  });

  test('a used-up invite does not undo a change that the network signed later', async () => {
    const link = await server.invite('--group', 'ops');
    const identity = await createIdentity();
    await TestMember.join(link, 'demoted', { identity });
    expect((await server.run('group', 'remove', 'demoted', 'ops')).code).toBe(0);

    await expect(TestMember.join(link, 'demoted', { identity })).rejects.toMatchObject({
      code: 'invite-used-up',
    });
    expect(await server.peer('demoted')).toMatchObject({ groups: [] });
  });

  test('a machine that joins again with another name counts as another use', async () => {
    const link = await server.invite('--uses', '2');
    const identity = await createIdentity();
    await TestMember.join(link, 'old-name', { identity });
    await TestMember.join(link, 'new-name', { identity });

    await expect(TestMember.join(link, 'third-name', { identity })).rejects.toMatchObject({
      code: 'invite-used-up',
    });
  });

  test('a machine that joins again keeps its place and gets a higher serial and the new groups', async () => {
    const identity = await createIdentity();
    const first = await TestMember.join(await server.invite(), 'mover', { identity });
    const second = await TestMember.join(await server.invite('--group', 'new'), 'mover', { identity });

    expect(second.membership.serial).toBeGreaterThan(first.membership.serial);
    expect(second.membership.groups).toEqual(['new']);
    const { peers } = (await server.json('peers')) as { peers: { name: string }[] };
    expect(peers.filter(({ name }) => name === 'mover')).toHaveLength(1);
  });

  test('a stranger without membership is told so', async () => {
    const member = await TestMember.join(await server.invite(), 'known');
    const stranger = await createIdentity();
    const connecting = Object.create(member, { identity: { value: stranger } }) as TestMember;

    await expect(connecting.connect({ role: 'command' })).rejects.toMatchObject({ code: 'not-a-member' });
  });
});

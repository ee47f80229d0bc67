import { signPeerRecord } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';

const FAST = ['--broadcast-interval', '100ms', '--report-interval', '500ms'];

/** Whether a presence of this member was broadcast on the connection. */
function told(connection: MemberConnection, handle: number, state: string): boolean {
  return connection.entries.some(
    (entry) => entry.kind === 'presence' && entry.handle === handle && entry.state === state,
  );
}

async function handleOf(connection: MemberConnection, name: string): Promise<number> {
  const pages = await connection.pull();
  const entry = pages
    .flatMap((page) => page.entries)
    .find((each) => each.kind === 'member' && each.membership.name === name);
  return entry?.handle ?? -1;
}

describe('presence', () => {
  test('everyone who subscribed hears of a new member, of its coming, and of its orderly end', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '2');
    await using anna = await (await TestMember.join(link, 'anna')).connect({ subscribe: true });
    const member = await TestMember.join(link, 'ben');
    await anna.until(() =>
      anna.entries.some((entry) => entry.kind === 'member' && entry.membership.name === 'ben'),
    );
    const ben = await member.connect();
    const handle = await handleOf(anna, 'ben');
    await anna.until(() => told(anna, handle, 'online'));
    await ben.goodbye();

    await expect(anna.until(() => told(anna, handle, 'stopped'))).resolves.toBeUndefined();
  });

  test('a machine whose connection breaks is lost, and its last sign is kept', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '2');
    await using anna = await (await TestMember.join(link, 'anna')).connect({ subscribe: true });
    const ben = await (await TestMember.join(link, 'ben')).connect();
    const handle = await handleOf(anna, 'ben');
    await anna.until(() => told(anna, handle, 'online'));
    ben.vanish();
    await anna.until(() => told(anna, handle, 'lost'));

    expect(await server.peer('ben')).toMatchObject({ online: false, state: 'lost' });
    expect(Date.parse(String((await server.peer('ben'))?.['lastSeen']))).toBeGreaterThan(Date.now() - 20_000);
  });

  test('a machine that is silent for three intervals is lost, and any message brings it back', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '2');
    await using anna = await (await TestMember.join(link, 'anna')).connect({ subscribe: true });
    await using ben = await (await TestMember.join(link, 'ben')).connect();
    const handle = await handleOf(anna, 'ben');
    await anna.until(() => told(anna, handle, 'lost'));
    const seen = anna.entries.length;
    await ben.report(1);
    const isBack = (): boolean =>
      anna.entries.slice(seen).some((entry) => entry.kind === 'presence' && entry.state === 'online');

    await expect(anna.until(isBack)).resolves.toBeUndefined();
  });

  test('the session of a command is no presence', async () => {
    await using server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    await using first = await member.connect({ role: 'command' });
    await using second = await member.connect({ role: 'command' });
    await Promise.all([first.heartbeat(), second.report(1)]);

    expect(await server.peer('anna')).toMatchObject({ online: false, lastHeartbeat: null });
  });

  test('the newer incarnation of a daemon replaces the older, which is told why', async () => {
    await using server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    const older = await member.connect();
    await using newer = await member.connect();

    expect(await older.session.closed).toMatchObject({ code: 'duplicate-identity' });
    await newer.report(1);
    expect(await server.peer('anna')).toMatchObject({ online: true });
  });

  test('two daemons with one identity that alternate are both refused with the remedy', async () => {
    await using server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    const [one, two] = [member.nextIncarnation(), member.nextIncarnation()];
    await member.connect({ incarnation: one });
    const second = await member.connect({ incarnation: two });
    const refused = {
      code: 'duplicate-identity',
      message: expect.stringContaining('filer-client join - --new-identity') as unknown,
    };

    await expect(member.connect({ incarnation: one })).rejects.toMatchObject(refused);
    expect(await second.session.closed).toMatchObject(refused);
    await expect(member.connect({ incarnation: two })).rejects.toMatchObject(refused);
  });

  test('a daemon that connects again with the same incarnation takes its own place', async () => {
    await using server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    const incarnation = member.nextIncarnation();
    await member.connect({ incarnation });
    await member.connect({ incarnation });
    await using third = await member.connect({ incarnation });
    await third.report(1);

    expect(await server.peer('anna')).toMatchObject({ online: true });
  });
});

describe('the directory', () => {
  test('a restart loses nothing: epoch, position, members and their last sign', async () => {
    const server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    const before = await member.connect();
    await before.report(1, { disk: '7' });
    const known = (await before.pull()).at(-1);
    expect(await server.stop()).toBe(143);
    expect(await before.session.closed).toBeUndefined();
    expect(before.goodbyes).toBe(1);
    await using again = await server.again(FAST);
    await using after = await member.connect();

    expect(after.welcome.epoch).toBe(known?.epoch);
    expect(after.welcome.seq).toBeGreaterThanOrEqual(known?.seq ?? Number.POSITIVE_INFINITY);
    expect(after.welcome.membership).toEqual(member.membership);
    expect(after.welcome.serverRecord).toEqual(member.serverRecord);
    expect(await again.reports()).toMatchObject([{ peer: 'anna', values: { disk: '7' } }]);
  });

  test('a server that was killed knows all that it acknowledged, and everyone is lost until they return', async () => {
    const server = await RunningServer.start(FAST);
    const member = await TestMember.join(await server.invite(), 'anna');
    const before = await member.connect({ subscribe: true });
    await before.until(() => before.entries.some((entry) => entry.kind === 'presence'));
    await server.stop('SIGKILL');
    await using again = await server.again(FAST);

    expect(await again.peer('anna')).toMatchObject({ id: member.id, online: false, state: 'lost' });
    await using _ = await member.connect();
    expect(await again.peer('anna')).toMatchObject({ online: true });
  });

  test('a client that returns gets only what came later', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '3');
    await using anna = await (await TestMember.join(link, 'anna')).connect();
    await TestMember.join(link, 'ben');
    const position = (await anna.pull()).at(-1)?.seq ?? 0;
    await TestMember.join(link, 'carl');
    const later = (await anna.pull(position)).flatMap((page) => page.entries);

    expect(later.flatMap((entry) => (entry.kind === 'member' ? [entry.membership.name] : []))).toEqual([
      'carl',
    ]);
  });

  test('a client with another epoch, or with a position that is not ours, gets everything', async () => {
    await using server = await RunningServer.start(FAST);
    await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
    const names = async (seq: number, epoch?: string): Promise<string[]> =>
      (await anna.pull(seq, epoch))
        .flatMap((page) => page.entries)
        .flatMap((entry) => (entry.kind === 'member' ? [entry.membership.name] : []));

    expect(await names(5, 'another')).toEqual(['anna']);
    expect(await names(1_000_000)).toEqual(['anna']);
  });

  test('addresses are published once they are newer, and only by their owner', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '2');
    const member = await TestMember.join(link, 'anna');
    const recordOf = (owner: TestMember, port: number, seq: number) =>
      signPeerRecord(owner.identity, {
        network: owner.network,
        addresses: [`192.0.2.7:${port}`],
        seq,
        expiresAt: Date.now() + 60_000,
      });
    await using anna = await member.connect({ subscribe: true, hello: { record: recordOf(member, 1, 5) } });
    const publish = (record: ReturnType<typeof recordOf>) =>
      anna.session.request({ type: 'record' }, Buffer.from(JSON.stringify(record)));
    const newest = recordOf(member, 2, 7);
    await publish(newest);
    await publish(recordOf(member, 3, 6));
    // What is held already is held, and what only resembles it is checked.
    await publish(newest);
    const other = await TestMember.join(link, 'ben');

    await expect(publish(recordOf(other, 4, 8))).rejects.toMatchObject({ code: 'refused' });
    await expect(publish({ ...recordOf(member, 5, 9), seq: 10 })).rejects.toMatchObject({
      cause: { code: 'signature-invalid' },
    });
    for (const change of [{ addresses: ['192.0.2.7:9'] }, { signature: recordOf(member, 2, 8).signature }])
      await expect(publish({ ...newest, ...change })).rejects.toMatchObject({
        cause: { code: 'signature-invalid' },
      });
    expect(await server.peer('anna')).toMatchObject({ addresses: ['192.0.2.7:2'] });
  });
});

describe('changes of a membership', () => {
  test('a new name and new groups are signed by the network and broadcast', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--group', 'lab', '--uses', '2');
    await using anna = await (await TestMember.join(link, 'anna')).connect({ subscribe: true });
    await TestMember.join(link, 'ben');
    expect((await server.run('rename', 'ben', 'benno')).code).toBe(0);
    expect((await server.run('group', 'add', 'benno', 'roof')).code).toBe(0);
    expect((await server.run('group', 'remove', 'benno', 'lab')).code).toBe(0);
    await anna.until(() =>
      anna.entries.some((entry) => entry.kind === 'member' && entry.membership.groups.join() === 'roof'),
    );

    expect(await server.peer('benno')).toMatchObject({ groups: ['roof'] });
    expect((await server.run('rename', 'benno', 'anna')).code).toBe(6);
    expect(await server.run('rename', 'bennp', 'x')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('benno') as unknown,
    });
  });

  test('a machine that leaves is gone, keeps its name, and may join again', async () => {
    await using server = await RunningServer.start(FAST);
    const link = await server.invite('--uses', '3');
    const member = await TestMember.join(link, 'anna');
    const connection = await member.connect();
    await connection.session.request({ type: 'leave' });
    await connection.session.closed;

    expect(await server.json('peers')).toMatchObject({ peers: [] });
    expect(await server.peer('anna')).toMatchObject({ state: 'left' });
    await expect(member.connect()).rejects.toMatchObject({ code: 'not-a-member' });
    await expect(TestMember.join(link, 'anna')).rejects.toMatchObject({ code: 'name-taken' });
    await expect(TestMember.join(link, 'anna', { identity: member.identity })).resolves.toBeDefined();
  });
});

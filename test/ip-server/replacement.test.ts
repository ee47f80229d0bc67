import { join } from 'node:path';
import { createIdentity, parseRemovals } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshFolder, RunningServer } from '../support/ip-server.ts';
import { TestMember, type ConnectOptions, type MemberConnection } from '../support/test-member.ts';
import { PaperNetwork } from './members.ts';

describe('a replacement server', () => {
  let second: RunningServer;
  let file: string;
  const members = new Map<string, TestMember>();

  beforeAll(async () => {
    const first = await RunningServer.start();
    const link = await first.invite('--group', 'lab', '--uses', '9');
    for (const name of ['anna', 'ben', 'carl', 'dora', 'eve']) {
      members.set(name, await TestMember.join(link, name));
    }
    file = join(first.home, 'network-key.pem');
    second = await RunningServer.start(['--network-key', file]);
    await first.stop();
  });
  afterAll(() => second[Symbol.asyncDispose]());

  function memberOf(name: string): TestMember {
    const member = members.get(name);
    if (member === undefined) throw new Error(`nobody is called ${name}`);
    return member;
  }

  /** As a member of the first server that was pointed at the second one. */
  function connect(member: TestMember, options: ConnectOptions = {}): Promise<MemberConnection> {
    return member
      .at(second)
      .connect({ ...options, hello: { membership: member.membership, ...options.hello } });
  }

  test('takes in a member that shows its membership, and tells it the newer server record', async () => {
    const anna = memberOf('anna');
    await using connection = await connect(anna);

    expect(connection.welcome.membership).toEqual(anna.membership);
    expect(connection.welcome.serverRecord?.server).toBe(second.id);
    expect(connection.welcome.serverRecord?.serial).toBeGreaterThan(anna.serverRecord.serial);
    expect(await second.peer('anna')).toMatchObject({ id: anna.id, groups: ['lab'], online: true });
  });

  test('tells the others of a member that it took in', async () => {
    await using anna = await connect(memberOf('anna'));
    await using _ = await connect(memberOf('ben'));
    const entries = (await anna.pull()).flatMap((page) => page.entries);

    expect(
      entries.some((entry) => entry.kind === 'member' && entry.membership.id === memberOf('ben').id),
    ).toBe(true);
  });

  test("refuses a machine that shows no membership, another's, or one of another network", async () => {
    const eve = memberOf('eve');
    const foreign = { hello: { membership: new PaperNetwork().membership('eve', eve.identity) } };
    const others = { hello: { membership: memberOf('dora').membership } };

    await expect(eve.at(second).connect()).rejects.toMatchObject({ code: 'not-a-member' });
    await expect(connect(eve, others)).rejects.toMatchObject({ code: 'not-a-member' });
    await expect(connect(eve, foreign)).rejects.toMatchObject({ cause: { code: 'signature-invalid' } });
    const forged = { hello: { membership: { ...eve.membership, groups: ['admins'] } } };
    await expect(connect(eve, forged)).rejects.toMatchObject({ cause: { code: 'signature-invalid' } });
  });

  test('leaves a name to who has it already', async () => {
    const link = (await second.run('invite', '--network-key', file)).stdout;
    await TestMember.join(link, 'carl', { identity: await createIdentity() });

    await expect(connect(memberOf('carl'))).rejects.toMatchObject({ code: 'name-taken' });
  });

  test('does not take in again who has left it', async () => {
    const dora = memberOf('dora');
    const connection = await connect(dora);
    await connection.session.request({ type: 'leave' });

    await expect(connect(dora)).rejects.toMatchObject({ code: 'not-a-member' });
  });

  test('learns the removals from a member that knows them, and takes no one in that was removed', async () => {
    const old = await RunningServer.start();
    const link = await old.invite('--uses', '2');
    const [kept, gone] = [await TestMember.join(link, 'kept'), await TestMember.join(link, 'gone')];
    const key = join(await freshFolder(), 'key.pem');
    await old.run('remove', 'gone', '--yes');
    await old.run('network-key', 'export', key);
    await using told = await kept.connect();
    const removals = parseRemovals(await told.session.request({ type: 'removals-get', after: '0' }));
    await old[Symbol.asyncDispose]();
    await using replacement = await RunningServer.start(['--network-key', key]);
    const victim = await gone.at(replacement).connect({ hello: { membership: gone.membership } });
    await using _ = await kept.at(replacement).connect({
      hello: { membership: kept.membership },
      removals,
    });

    expect(await victim.session.closed).toMatchObject({ code: 'removed' });
    await expect(
      gone.at(replacement).connect({ hello: { membership: gone.membership } }),
    ).rejects.toMatchObject({
      code: 'removed',
    });
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { ServersHere } from '../../support/servers-here.ts';

describe.skipIf(needs.postgres())('a network with several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('moves to an embedded database once one server is left, which need not be the first', async () => {
    const address = await cluster.freshDatabase();
    await using network = await ServersHere.open(address);
    const [first, second] = await network.startAll(2);
    if (first === undefined || second === undefined) throw new Error('two were started');
    await first.ask('invite');
    for (const { daemon } of [first, second]) await daemon.close();
    const key = ['--network-key', `${first.home}/network-key.pem`];
    const copy = () => second.run('store', 'copy', '--from', address, '--to', `sqlite:${second.home}`);

    expect(await copy()).toMatchObject({
      code: 6,
      stderr: expect.stringContaining(`servers remove ${first.id.slice(0, 12)}`) as string,
    });
    await second.run('servers', 'remove', first.id, '--yes', ...key);
    expect(await copy()).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/1 invite .*ip-server invite/) as string,
    });
    expect(await second.ask('status')).toMatchObject({ store: { engine: 'sqlite' } });
  });
});

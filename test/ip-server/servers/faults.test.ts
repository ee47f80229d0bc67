import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import type { Line } from '../../support/programs.ts';
import { ServersHere } from '../../support/servers-here.ts';

describe.skipIf(needs.postgres())('several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('continue with what they know while the database is away, and store what waits when it is back', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const [a, b] = await network.startAll(2);
    if (a === undefined || b === undefined) throw new Error('two were started');
    const anna = await network.add('anna', a);
    const stateAt = async (server: typeof a): Promise<unknown> => {
      const { peers } = await server.ask('peers');
      return (peers as Line[])[0]?.['state'];
    };
    for (const server of [a, b]) await expect.poll(() => stateAt(server)).toBe('online');
    await cluster.end();
    await anna.ask('report', '--title', 'meanwhile');
    for (const server of [a, b])
      await expect
        .poll(async () => (await server.ask('status'))['storeProblem'])
        .toMatch(/cannot be reached|does not take this now/);
    for (const server of [a, b]) expect(['online', 'unknown']).toContain(await stateAt(server));
    await cluster.resume();
    await anna.status(({ spool }) => spool === 0);
    for (const server of [a, b]) {
      await expect.poll(async () => (await server.ask('status'))['storeProblem']).toBeNull();
      expect((await server.run('reports', '--json')).stdout.split('"meanwhile"')).toHaveLength(2);
      await expect.poll(() => stateAt(server)).toBe('online');
    }
  });

  test('end while the database stands still', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const server = await network.start('server', {}, 100);
    using _still = cluster.standStill();
    const { directory } = server.daemon;
    const flushed = Array.from({ length: 50 }, () => directory.flush());
    await server.daemon.close();
    expect(new Set(await Promise.all(flushed)).size).toBeLessThan(3);
  });
});

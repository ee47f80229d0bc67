import { expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { PostgresCluster } from '../support/postgres-cluster.ts';
import type { Line } from '../support/programs.ts';
import { ServersHere } from '../support/servers-here.ts';
import { TestMember } from '../support/test-member.ts';

const REPORTS = 40;
const CRASH_AFTER = 20;

/** The short form of `patroni.long.test.ts`: who takes the place of a primary is said by the test. */
test.skipIf(needs.postgres())(
  'the primary crashes under load and its synchronous standby takes its place: no acknowledged report is lost, and none is there twice',
  async () => {
    await using primary = await PostgresCluster.start();
    const address = await primary.freshDatabase();
    await using standby = await primary.standby();
    await using network = await ServersHere.open(`${address},${standby.folder}`);
    const server = await network.start('server');
    const member = await TestMember.join((await server.run('invite')).stdout.trim(), 'anna');
    await using anna = await member.connect();
    let failover: Promise<void> | undefined;
    for (let seq = 1; seq <= REPORTS;) {
      // As a client does from its spool.
      const isStored = await anna.report(seq).then(
        () => true,
        () => false,
      );
      if (isStored) seq++;
      if (seq === CRASH_AFTER) failover ??= primary.end().then(() => standby.promote());
    }
    await failover;
    const { reports } = await server.ask('reports');
    expect((reports as Line[]).map(({ seq }) => seq)).toEqual(
      Array.from({ length: REPORTS }, (_, n) => n + 1),
    );
    const { peers } = await server.ask('peers');
    expect(peers).toMatchObject([{ name: 'anna', state: 'online' }]);
    await expect.poll(async () => (await server.ask('status'))['storeProblem']).toBeNull();
  },
);

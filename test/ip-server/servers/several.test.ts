import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/in-process.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import type { Line } from '../../support/programs.ts';
import { ServersHere, type ServerHere } from '../../support/servers-here.ts';

let cluster: PostgresCluster;
beforeAll(async () => void (cluster = await PostgresCluster.start()));
afterAll(() => cluster[Symbol.asyncDispose]());

function peersOf(document: Line): Line[] {
  return document['peers'] as Line[];
}

/** Which machines a server knows, with their states. */
async function seenAt(server: ServerHere): Promise<string> {
  const peers = peersOf(await server.ask('peers'));
  return peers.map(({ name, state }) => `${String(name)} ${String(state)}`).join(', ');
}

describe.skipIf(needs.postgres())('several servers on one database', () => {
  test('agree on who is there, whichever a machine is connected to', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const [a, b] = await network.startAll(2);
    if (a === undefined || b === undefined) throw new Error('two were started');
    const anna = await network.add('anna', a);
    const bob = await network.add('bob', a);
    for (const server of [a, b])
      expect(await until(() => seenAt(server), (seen) => seen === 'anna online, bob online')).toBeTruthy();
    await anna.sees('bob');
    await bob.sees('anna');
    expect((await a.ask('servers'))['servers']).toMatchObject(
      [a.id, b.id].toSorted().map((id) => ({ id, state: 'running', listed: true })),
    );
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { contactAnswerMessage, contactMessage, dialOver, encodeFrame } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import type { Line } from '../../support/programs.ts';
import { ServersHere } from '../../support/servers-here.ts';
import { TestMember } from '../../support/test-member.ts';

describe.skipIf(needs.postgres())('several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('a machine that another server holds is told, and comes to the relay of the one that was asked', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const first = await network.start('first');
    // While there is one, its invite leads to it.
    const anna = await TestMember.join((await first.run('invite')).stdout.trim(), 'anna');
    const second = await network.start('second');
    await first.ask('servers', 'add', second.id);
    for (const { daemon } of [first, second]) await daemon.group?.listChanged();
    const ben = await network.add('ben', first);
    const { id, server } = await ben.ask('status');
    const asked = (server as Line)['id'] === first.id ? second : first;
    const { port } = asked.daemon.listened;
    await using connection = await anna.connect({ server: { host: '127.0.0.1', port, id: asked.id } });

    // The server that was asked learns by the database which one holds ben's session.
    const answer = await vi.waitFor(
      () => connection.session.ask(contactMessage.format({ peer: String(id), relay: true })),
      { timeout: 20_000 },
    );
    const { relay: token = '' } = contactAnswerMessage.parse(answer);
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    socket.write(encodeFrame({ type: 'relay', token }));
    const relayed = await dialOver(socket, { identity: anna.identity, expect: String(id), where: 'ben' });

    expect(relayed.peerId).toBe(id);
    relayed.socket.destroy();
  });
});

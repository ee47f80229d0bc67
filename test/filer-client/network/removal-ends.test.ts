import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadNetworkKey, signRemoval, type KeyPair } from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { RemovalStore } from '../../../apps/filer-client/src/store/removal-store.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import { until } from '../../support/in-process.ts';

const MiB = 1024 * 1024;

let network: NetworkHere;
let networkKey: KeyPair;
let alice: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  [alice, bob] = [await network.add('alice'), await network.add('bob')];
  networkKey = await loadNetworkKey(join(network.serverHome, 'network-key.pem'));
});
afterAll(() => network[Symbol.asyncDispose]());

/** A machine that is to be removed. */
async function victim(name: string): Promise<ClientHere> {
  const client = await network.add(name);
  await Promise.all([alice.sees(name), bob.sees(name), client.sees('alice'), client.sees('bob')]);
  return client;
}

/** Only bob learns of it, and from no connection. */
function bobLearnsOf(id: string): void {
  const database = openDatabase(join(bob.home, 'filer.db'));
  const store = new RemovalStore(database, networkKey.id);
  store.take([signRemoval(networkKey, { number: store.number + 1, id, removedAt: 1 })]);
  database.close();
}

test.each(['the removed sends', 'the removed receives'])(
  'a transfer that runs ends when a third machine brings the removal: %s',
  async (which) => {
    const sends = which === 'the removed sends';
    const removed = await victim(sends ? 'sender' : 'receiver');
    const file = join(network.folder, `${removed.daemon.name}-large`);
    await writeFile(file, Buffer.alloc(64 * MiB));
    const [from, to] = sends ? [removed, 'alice'] : [alice, removed.daemon.name];
    const sent = from.run('send', file, '--to', to, '--limit', '1MB/s', '--json');
    await until(
      () => from.run('transfers', '--json'),
      ({ stdout }) => /"bytesSent":[1-9]/.test(stdout),
    );
    bobLearnsOf(removed.daemon.id);
    await bob.run('message', 'alice', 'hello');
    const outcome = await sent;

    expect(outcome.code).toBe(6);
    expect(outcome.stdout).toContain('"code":"removed"');
  },
);

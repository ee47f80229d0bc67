import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createKeyPair,
  loadIdentity,
  loadNetworkKey,
  signLeave,
  signRemoval,
  type KeyPair,
  type Leave,
  type Removal,
} from '@filer/protocol';
import { DaemonClient, transportHere } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contract } from '../../../apps/filer-client/src/api/contract.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { readMembershipFile } from '../../../apps/filer-client/src/store/membership-file.ts';
import { RemovalStore } from '../../../apps/filer-client/src/store/removal-store.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

const MiB = 1024 * 1024;

let network: NetworkHere;
let networkKey: KeyPair;
/** Sessions lead from the first to the second, from the third to the second, and from the third to the fourth. */
let chain: readonly [ClientHere, ClientHere, ClientHere, ClientHere];
let leaver: ClientHere;
/** Knows none of the chain by a session. */
let outside: ClientHere;

async function connect(from: ClientHere, to: string): Promise<void> {
  const client = new DaemonClient(transportHere(from.daemon.methods, () => Promise.resolve()));
  await client.call(contract.connect, { target: to });
}

/** What is on the disk of a home. */
function withStore<T>({ home }: ClientHere, work: (store: RemovalStore) => T): T {
  const database = openDatabase(join(home, 'filer.db'));
  try {
    return work(new RemovalStore(database, networkKey.id));
  } finally {
    database.close();
  }
}

/** It knows of a removal when it looks next. */
function learns(client: ClientHere): Removal {
  return withStore(client, (store) => {
    const { id } = createKeyPair();
    const removal = signRemoval(networkKey, { number: store.number + 1, id, removedAt: 1 });
    store.take([removal]);
    return removal;
  });
}

async function leaveOf({ home }: ClientHere): Promise<Leave> {
  const [identity, file] = [
    await loadIdentity(home),
    await readMembershipFile(join(home, 'membership.json')),
  ];
  if (identity === undefined || file === undefined) throw new Error('it has joined');
  return signLeave(identity, file.membership, Date.now());
}

const learned = (client: ClientHere, id: string): Promise<boolean> =>
  until(
    () => Promise.resolve(withStore(client, (store) => store.has(id))),
    (has) => has,
  );

beforeAll(async () => {
  network = await NetworkHere.open();
  networkKey = await loadNetworkKey(join(network.serverHome, 'network-key.pem'));
  const add = (name: string): Promise<ClientHere> => network.add(name);
  chain = [await add('c1'), await add('c2'), await add('c3'), await add('c4')];
  [outside, leaver] = [await add('outside'), await add('leaver')];
  for (const client of [...chain, outside, leaver])
    for (const name of ['c1', 'c2', 'c3', 'c4', 'outside', 'leaver'])
      if (name !== client.daemon.name) await client.sees(name);
  await network.stopServer();
  await connect(chain[0], 'c2');
  await connect(chain[2], 'c2');
  await connect(chain[2], 'c4');
});
afterAll(() => network[Symbol.asyncDispose]());

test('without the server, a removal that one end of a chain of sessions learns is known at the other end', async () => {
  const removal = learns(outside);
  await outside.run('message', 'c1', 'hello');

  for (const client of chain) expect(await learned(client, removal.id)).toBe(true);
});

test('a leave ends the connections of who has left at the end of the chain, also one that carries a transfer', async () => {
  const file = join(network.folder, 'large');
  await writeFile(file, Buffer.alloc(64 * MiB));
  const sent = chain[3].run('send', file, '--to', 'leaver', '--limit', '1MB/s', '--json');
  await until(
    () => chain[3].run('transfers', '--json'),
    ({ stdout }) => /"bytesSent":[1-9]/.test(stdout),
  );
  // Only the first of the chain is told, by a machine that is in no session with the others.
  const leave = await leaveOf(leaver);
  withStore(outside, ({ leaves }) => leaves.take([leave]));
  await outside.run('message', 'c1', 'hello');
  const outcome = await sent;

  expect(outcome.code).toBe(6);
  expect(outcome.stdout).toContain('"code":"not-a-member"');
});

test('a server that comes back is told what a machine learns while its session is open', async () => {
  await network.startServer();
  for (const client of chain) await client.connected();
  const { id } = learns(chain[3]);
  await chain[3].run('message', 'outside', 'hello');

  await until(
    () => Promise.resolve(network.server.removals.has(id)),
    (has) => has,
  );
  for (const client of chain) expect(await learned(client, id)).toBe(true);
});

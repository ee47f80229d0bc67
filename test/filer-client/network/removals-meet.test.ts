import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, loadNetworkKey, signRemoval, type KeyPair, type Removal } from '@filer/protocol';
import { DaemonClient, transportHere } from '@filer/program';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contract } from '../../../apps/filer-client/src/api/contract.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { RemovalStore } from '../../../apps/filer-client/src/store/removal-store.ts';
import { runHere } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

const LARGE_BYTES = 129 * 1024 * 1024;

let network: NetworkHere;
let networkKey: KeyPair;
let alice: ClientHere;
let bob: ClientHere;
let file: string;
let large: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await Promise.all([alice.sees('bob'), bob.sees('alice')]);
  networkKey = await loadNetworkKey(join(network.serverHome, 'network-key.pem'));
  await network.join('carol');
  file = join(network.folder, 'file');
  await writeFile(file, 'hello');
  large = join(network.folder, 'large');
  await writeFile(large, '');
  for (const { home } of [alice, bob])
    await runHere('filer-client', home, ['share', 'add', join(home, 'inbox'), '--as', 'in']);
});
afterAll(() => network[Symbol.asyncDispose]());

/** What is on the disk of a home. */
function storeOf(home: string): { readonly store: RemovalStore } & Disposable {
  const database = openDatabase(join(home, 'filer.db'));
  return { store: new RemovalStore(database, networkKey.id), [Symbol.dispose]: () => database.close() };
}

/** A home learns a removal that was not known before. */
function learns(home: string): Removal {
  using kept = storeOf(home);
  const { store } = kept;
  const removal = signRemoval(networkKey, { number: store.number + 1, id: createKeyPair().id, removedAt: 1 });
  store.take([removal]);
  return removal;
}

function knows(home: string, { id }: Removal): boolean {
  using kept = storeOf(home);
  return kept.store.has(id);
}

type Way = (from: ClientHere, to: string) => Promise<unknown>;
const succeeds =
  (...args: string[]): Way =>
  async (from, to) => {
    const outcome = await from.run(...args.map((word) => word.replace('PEER', to)));
    if (outcome.code !== 0) throw new Error(outcome.stderr + outcome.stdout);
  };

const WAYS: readonly (readonly [string, Way])[] = [
  [
    'a lasting session',
    async (from, to) => {
      const client = new DaemonClient(transportHere(from.daemon.methods, () => Promise.resolve()));
      await client.call(contract.connect, { target: to });
      await client.call(contract.disconnect, { target: to });
    },
  ],
  ['a text', succeeds('message', 'PEER', 'hello')],
  ['a transfer', (from, to) => succeeds('send', file, '--to', to)(from, to)],
  [
    'a fetch',
    async (from, to) => {
      const name = `from-${to}-${Date.now()}`;
      await writeFile(join(network.home(to), 'inbox', name), 'x');
      await succeeds('get', `${to}:in/${name}`, network.folder)(from, to);
    },
  ],
  ['a listing', succeeds('ls', 'PEER:in')],
  [
    'a question about received files',
    async (from, to) => {
      const { job } = await from.ask('send', file, '--to', to);
      // The question travels on a connection of its own.
      await succeeds('verify', String(job), '--ask')(from, to);
    },
  ],
  [
    'a reverse connection',
    async (from, to) => {
      await truncate(large, LARGE_BYTES);
      await succeeds('send', large, '--to', to)(from, to);
      await rm(join(network.home(to), 'inbox'), { recursive: true });
      await mkdir(join(network.home(to), 'inbox'));
    },
  ],
];

describe('without the server, both learn a removal that one of them knows', () => {
  beforeAll(() => network.stopServer());

  test.each(
    WAYS.flatMap(([name, meet]) => [
      [`by ${name} of who knows it`, meet, true] as const,
      [`by ${name} of who does not`, meet, false] as const,
    ]),
  )('%s', async (_name, meet, diallerKnows) => {
    const [knowing, other] = diallerKnows ? [alice, bob] : [bob, alice];
    const removal = learns(knowing.home);
    await meet(alice, 'bob');

    expect(knows(other.home, removal)).toBe(true);
  });
});

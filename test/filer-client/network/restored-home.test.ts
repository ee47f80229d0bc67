import { cp, rm } from 'node:fs/promises';
import { createIdentity, signPeerRecord, type PeerRecord } from '@filer/protocol';
import { resolveHome } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { currentRecord, overtakeRecord } from '../../../apps/filer-client/src/network/published-addresses.ts';
import { ListeningServer } from '../../support/listening-server.ts';
import { NetworkHere } from '../../support/network-here.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

const addressOf = (port: number) => (peer: { readonly [key: string]: unknown }) =>
  peer['online'] === true && (peer['addresses'] as string[]).includes(`127.0.0.1:${port}`);

test('a home that was restored publishes its own addresses in the place of those it had in between', async () => {
  const network = await openNetwork();
  const bob = await network.add('bob');
  const alice = await network.add('alice');
  const { home, port } = alice;
  await alice[Symbol.asyncDispose]();
  await cp(home, network.home('backup'), { recursive: true });
  const moved = await (await network.start(home)).connected();
  await bob.sees('alice', addressOf(moved.port));
  await moved[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
  await cp(network.home('backup'), home, { recursive: true });

  const restored = await (await network.start(home, port)).connected();

  await bob.sees('alice', addressOf(restored.port));
  expect(await bob.run('message', 'alice', 'hello')).toMatchObject({ code: 0 });
});

test('a copy of a disk that ran for a moment leaves the original with its own addresses', async () => {
  const network = await openNetwork();
  const bob = await network.add('bob');
  const alice = await network.add('alice');
  const { home, port } = alice;
  await alice[Symbol.asyncDispose]();
  await cp(home, network.home('copy'), { recursive: true });
  const copy = await (await network.start(network.home('copy'))).connected();
  await bob.sees('alice', addressOf(copy.port));
  await copy[Symbol.asyncDispose]();

  const original = await (await network.start(home, port)).connected();

  await bob.sees('alice', addressOf(port));
  expect(original.log).toContain(`127.0.0.1:${copy.port}`);
});

test('a home of an older state takes the place of its newer self, which the server still believes connected', async () => {
  const network = await openNetwork();
  expect((await network.join('alice')).code).toBe(0);
  await cp(network.home('alice'), network.home('older'), { recursive: true });
  for (let starts = 0; starts < 3; starts++)
    await (await (await network.start(network.home('alice'))).connected())[Symbol.asyncDispose]();
  await (await network.start(network.home('alice'))).connected();

  await expect((await network.start(network.home('older'))).connected()).resolves.toBeDefined();
});

async function memberHere(): Promise<Member> {
  const network = await openNetwork();
  await network.join('alice');
  const member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('alice') }));
  onTestFinished(() => member[Symbol.dispose]());
  return member;
}

test('only a record with its own signature raises the seq of a machine', async () => {
  const member = await memberHere();
  const current = currentRecord(member, ['192.0.2.1:1'], 1_000_000);
  const signed = (identity: Member['identity'], seq: number): PeerRecord =>
    signPeerRecord(identity, { network: member.network, addresses: [], seq, expiresAt: 1 });
  const high = Number.MAX_SAFE_INTEGER - 1;

  for (const held of [signed(await createIdentity(), high), { ...signed(member.identity, 1), seq: high }]) {
    expect(() => overtakeRecord(member, current, held)).toThrow(
      expect.objectContaining({ code: 'signature-invalid' }),
    );
  }
  expect(() => overtakeRecord(member, current, signed(member.identity, 1))).toThrow(
    expect.objectContaining({ code: 'unexpected-message' }),
  );
  expect(currentRecord(member, ['192.0.2.1:1'], 1_000_000)).toEqual(current);
  overtakeRecord(member, current, signed(member.identity, 3_000_000));
  expect(currentRecord(member, ['192.0.2.1:1'], 1_000_000).seq).toBe(3_000_001);
});

test('a record of the same seq with other addresses is replaced, too', async () => {
  const member = await memberHere();
  const current = currentRecord(member, ['192.0.2.1:1'], 1_000_000);
  const { network } = member;
  const held = signPeerRecord(member.identity, { network, addresses: [], seq: current.seq, expiresAt: 1 });
  overtakeRecord(member, current, held);

  expect(currentRecord(member, ['192.0.2.1:1'], 1_000_000).seq).toBe(current.seq + 1);
});

test('a server that only claims a seq does not move that of a machine', async () => {
  const network = await openNetwork();
  await network.join('alice');
  const { port } = network;
  await network.stopServer();
  await using server = await ListeningServer.open(network.serverHome, port, ({ header }) =>
    header['type'] === 'record' ? { header: { type: 'ok', seq: '9007199254740990' } } : undefined,
  );
  const alice = await network.start(network.home('alice'));
  await server.told('heartbeat');
  await alice[Symbol.asyncDispose]();

  const records = server.messages.filter(({ header }) => header['type'] === 'record');
  expect(records).toHaveLength(1);
});

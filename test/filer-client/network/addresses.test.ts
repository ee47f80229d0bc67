import { signedBytes, type PeerRecord } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';
import { TestMember } from '../../support/test-member.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

test('a daemon told to publish a link-local address and a name connects, publishes the others and logs which it left out', async () => {
  const network = await openNetwork();
  const bob = await network.add('bob');
  await network.join('alice');
  const advertise = ['fe80::1', 'name.example', '192.0.2.7'].map((host) => ({ host, port: 10_902 }));
  const alice = await (await network.start(network.home('alice'), 0, advertise)).connected();

  expect(await bob.sees('alice')).toMatchObject({ addresses: ['192.0.2.7:10902'], via: 'direct' });
  expect(alice.log).toContain('[fe80::1]:10902');
  expect(alice.log).toContain('name.example:10902');
});

test('a machine that publishes addresses which are not understood is known, and dialled at the others', async () => {
  const network = await openNetwork();
  const bob = await network.add('bob');
  const member = await TestMember.join(await network.invite(), 'newer');
  const addresses = ['relay://relay.example:443/x', '[fe80::1]:1', 'name.example:1', '192.0.2.7:1'];
  const record = recordOf(member, addresses);
  await using _ = await member.connect({ hello: { record } });

  expect(await bob.sees('newer')).toMatchObject({ online: true, addresses: ['192.0.2.7:1'] });
  const { peers } = await network.askServer('peers');
  expect(peers).toContainEqual(expect.objectContaining({ name: 'newer', addresses: ['192.0.2.7:1'] }));
});

/** Signed as a version that dials all of them would. */
function recordOf({ identity, network, id }: TestMember, addresses: readonly string[]): PeerRecord {
  const publicKey = identity.publicKey.toString('base64url');
  const fields = { network, id, publicKey, addresses: addresses.join(','), seq: '1', expiresAt: '9' };
  const signature = identity.sign(signedBytes('record', fields)).toString('base64url');
  return { network, id, publicKey, addresses, seq: 1, expiresAt: 9, signature };
}

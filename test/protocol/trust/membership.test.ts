import {
  admit,
  amend,
  createKeyPair,
  joinerSignatures,
  parseMembership,
  verifyMembership,
  type Membership,
} from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { admitPeer, amendPeer, makeWorld, textOfKey } from './documents.ts';

const world = makeWorld();
const { networkKey, server, peer, invite, claims } = world;
const notGenuine = expect.objectContaining({ code: 'signature-invalid' });

describe('a membership', () => {
  test('holds after its way through JSON, admitted and amended', () => {
    for (const membership of [admitPeer(world), amendPeer(world)]) {
      const read = parseMembership(JSON.parse(JSON.stringify(membership)));
      expect(read).toEqual(membership);
      verifyMembership(read, networkKey.id);
    }
  });

  test('is of one network only', () => {
    expect(() => verifyMembership(admitPeer(world), createKeyPair().id)).toThrow(notGenuine);
    expect(() => verifyMembership(amendPeer(world), createKeyPair().id)).toThrow(notGenuine);
  });

  test.each([
    ['groups that the invite does not give', { groups: ['lab'] }],
    ['the groups of the invite and one more', { groups: [...claims.groups, 'staff'] }],
    ['another invite', { invite: 'A'.repeat(20) }],
    ['another server', { server: createKeyPair().id }],
    ['an id that is not that of the key', { id: createKeyPair().id }],
    ['another network', { network: createKeyPair().id }],
  ])('is not admitted with %s, though all have signed it', (_, change) => {
    expect(() => admitPeer(world, { ...claims, ...change })).toThrow(notGenuine);
  });

  test('is not admitted when the joiner signed a name and another one is claimed', () => {
    const signatures = joinerSignatures(claims, peer, invite.seed);
    const joiner = { ...signatures, publicKey: textOfKey(peer), grant: invite.grant };
    expect(() => admit({ ...claims, name: 'eve' }, joiner, server)).toThrow(notGenuine);
  });

  test('is not admitted without the secret of the invite', () => {
    const signatures = joinerSignatures(claims, peer, createKeyPair().seed);
    const joiner = { ...signatures, publicKey: textOfKey(peer), grant: invite.grant };
    expect(() => admit(claims, joiner, server)).toThrow(notGenuine);
  });

  test('is not admitted by another server than that of the invite', () => {
    const other = createKeyPair();
    const moved = { ...claims, server: other.id };
    const joiner = {
      ...joinerSignatures(moved, peer, invite.seed),
      publicKey: textOfKey(peer),
      grant: invite.grant,
    };
    expect(() => admit(moved, joiner, other)).toThrow(notGenuine);
    expect(() => admit(claims, { ...joiner, ...joinerSignatures(claims, peer, invite.seed) }, other)).toThrow(
      notGenuine,
    );
  });

  test('cannot take over a signature from one proof into another role', () => {
    const { proof } = admitPeer(world);
    if (proof.kind !== 'admitted') throw new Error('not admitted');
    const swapped: Membership = {
      ...admitPeer(world),
      proof: { ...proof, peerSignature: proof.serverSignature, serverSignature: proof.peerSignature },
    };
    expect(() => verifyMembership(swapped, networkKey.id)).toThrow(notGenuine);
  });

  test('is amended by the key of its network only, and upwards only', () => {
    const membership = admitPeer(world);
    const other = createKeyPair();
    expect(() => amend(membership, { serial: 2 }, other)).toThrow(
      expect.objectContaining({ code: 'verification-failed' }),
    );
    expect(() => amend(membership, { serial: 1 }, networkKey)).toThrow('not above');
    const forged: Membership = {
      ...membership,
      proof: {
        kind: 'amended',
        networkKey: textOfKey(other),
        networkSignature: other.sign(Buffer.from('x')).toString('base64url'),
      },
    };
    expect(() => verifyMembership(forged, networkKey.id)).toThrow(notGenuine);
  });

  test('keeps its groups when only its name is amended, and its name when only its groups are', () => {
    const membership = admitPeer(world);
    expect(amend(membership, { name: 'bob', serial: 2 }, networkKey)).toMatchObject({
      name: 'bob',
      groups: claims.groups,
    });
    expect(amend(membership, { groups: [], serial: 2 }, networkKey)).toMatchObject({
      name: 'anna',
      groups: [],
    });
  });
});

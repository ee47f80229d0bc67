import {
  admit,
  amend,
  createInvite,
  createKeyPair,
  joinerSignatures,
  type Invite,
  type KeyPair,
  type Membership,
  type MembershipClaims,
} from '@filer/protocol';

/** A network with one server, one invite and one peer. */
export interface World {
  readonly networkKey: KeyPair;
  readonly server: KeyPair;
  readonly peer: KeyPair;
  readonly invite: Invite;
  readonly claims: MembershipClaims;
}

export function makeWorld(): World {
  const networkKey = createKeyPair();
  const server = createKeyPair();
  const peer = createKeyPair();
  const invite = createInvite({
    networkKey,
    server: server.id,
    addresses: [{ host: '192.0.2.7', port: 10_901 }],
    groups: ['lab', 'cam-2'],
    expiresAt: 2_000_000_000_000,
    uses: 3,
    now: 1_900_000_000_000,
  });
  const { network, groups, invite: inviteId } = invite.grant;
  const claims = {
    network,
    id: peer.id,
    name: 'anna',
    groups,
    invite: inviteId,
    server: server.id,
    admittedAt: 1_900_000_000_001,
    serial: 1,
  };
  return { networkKey, server, peer, invite, claims };
}

export function admitPeer(world: World, claims: MembershipClaims = world.claims): Membership {
  const { invite, peer, server } = world;
  const signatures = joinerSignatures(claims, peer, invite.seed);
  return admit(claims, { ...signatures, publicKey: textOfKey(peer), grant: invite.grant }, server);
}

export function amendPeer(world: World): Membership {
  return amend(admitPeer(world), { name: 'bob', groups: ['lab'], serial: 2 }, world.networkKey);
}

export function textOfKey(key: KeyPair): string {
  return key.publicKey.toString('base64url');
}

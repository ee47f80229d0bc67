import {
  admit,
  createInvite,
  createKeyPair,
  joinerSignatures,
  type Invite,
  type KeyPair,
  type Membership,
} from '@filer/protocol';

/** A network and a server in memory, which admit by their signatures alone. */
export class PaperNetwork {
  readonly networkKey: KeyPair = createKeyPair();
  readonly server: KeyPair = createKeyPair();
  readonly invite: Invite;

  constructor() {
    this.invite = createInvite({
      networkKey: this.networkKey,
      server: this.server.id,
      addresses: [{ host: '192.0.2.1', port: 10_901 }],
      groups: ['lab'],
      expiresAt: 2_000_000,
      uses: 1_000,
      now: 1_000_000,
    });
  }

  membership(name: string, peer: KeyPair = createKeyPair(), serial = 1, admittedAt = 1_000_000): Membership {
    const { grant, seed } = this.invite;
    const claims = {
      network: this.networkKey.id,
      id: peer.id,
      name,
      groups: grant.groups,
      invite: grant.invite,
      server: this.server.id,
      admittedAt,
      serial,
    };
    const publicKey = peer.publicKey.toString('base64url');
    return admit(claims, { publicKey, grant, ...joinerSignatures(claims, peer, seed) }, this.server);
  }
}

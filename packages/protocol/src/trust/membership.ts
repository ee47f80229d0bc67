import { FilerError } from '../errors.ts';
import {
  bytesOf,
  groups,
  id,
  idOfKeyText,
  integer,
  inviteId,
  name,
  publicKey,
  readDocument,
  requireTrue,
  signature,
  signatureHolds,
  toText,
  type DocumentOf,
} from './document.ts';
import { grantFault, parseGrant, type InviteGrant } from './grant.ts';
import { keyPairFromSeed, type KeyPair } from './keys.ts';

const CLAIMS = {
  /** The network's id. */
  network: id,
  /** The peer's id. */
  id,
  name,
  groups,
  /** The id of the invite that it came by. */
  invite: inviteId,
  /** The id of the server that admitted. */
  server: id,
  /** ms since the epoch, by the server's clock. */
  admittedAt: integer(),
  /** From 1; the higher one wins. */
  serial: integer(1),
};

/** What a membership says, and what all who sign it sign. */
export interface MembershipClaims extends DocumentOf<typeof CLAIMS> {}

const ADMITTED = {
  kind: () => 'admitted' as const,
  grant: parseGrant,
  inviteSignature: signature,
  peerSignature: signature,
  serverKey: publicKey,
  serverSignature: signature,
};

/** Signed by the invite's key, the peer and the server that admitted. */
export interface AdmittedProof extends DocumentOf<typeof ADMITTED> {}

const AMENDED = { kind: () => 'amended' as const, networkKey: publicKey, networkSignature: signature };

/** A later change, signed by the network's key. */
export interface AmendedProof extends DocumentOf<typeof AMENDED> {}

const MEMBERSHIP = { ...CLAIMS, publicKey, proof: parseProof };

export interface Membership extends DocumentOf<typeof MEMBERSHIP> {}

/** What a joiner adds to the claims. */
export interface JoinerSignatures {
  readonly peerSignature: string;
  readonly inviteSignature: string;
}

const claimBytes = (claims: MembershipClaims): Buffer => bytesOf('membership', CLAIMS, claims);

/** @param seed the invite's secret */
export function joinerSignatures(
  claims: MembershipClaims,
  identity: KeyPair,
  seed: Uint8Array,
): JoinerSignatures {
  const bytes = claimBytes(claims);
  return {
    peerSignature: toText(identity.sign(bytes)),
    inviteSignature: toText(keyPairFromSeed(seed).sign(bytes)),
  };
}

/**
 * Adds the server's signature to what a joiner signed. Expiry and uses of the invite, and whether the name is
 * free, are judged by the caller.
 *
 * @throws FilerError `signature-invalid` when what came from the joiner does not hold together
 */
export function admit(
  claims: MembershipClaims,
  joiner: JoinerSignatures & { readonly publicKey: string; readonly grant: InviteGrant },
  server: KeyPair,
): Membership {
  const { grant, peerSignature, inviteSignature } = joiner;
  const membership: Membership = {
    ...claims,
    publicKey: joiner.publicKey,
    proof: {
      kind: 'admitted',
      grant,
      inviteSignature,
      peerSignature,
      serverKey: toText(server.publicKey),
      serverSignature: toText(server.sign(claimBytes(claims))),
    },
  };
  verifyUpToServer(membership, claims.network);
  return membership;
}

/**
 * A membership with another name or other groups, signed by the network's key.
 *
 * @param change its `serial` must be higher than the previous one
 * @throws FilerError `verification-failed` when the key is another network's, `message-malformed` for a wrong name or group
 */
export function amend(
  previous: Membership,
  change: { readonly name?: string; readonly groups?: readonly string[]; readonly serial: number },
  networkKey: KeyPair,
): Membership {
  if (networkKey.id !== previous.network) {
    throw new FilerError('verification-failed', 'the network key is of another network; give the right one');
  }
  if (change.serial <= previous.serial)
    throw new Error(`serial ${change.serial} is not above ${previous.serial}`);
  const { proof: _, publicKey: key, ...claims } = previous;
  const changed: MembershipClaims = {
    ...claims,
    name: change.name ?? previous.name,
    groups: change.groups ?? previous.groups,
    serial: change.serial,
  };
  // A document that cannot be read back is not signed.
  return parseMembership({
    ...changed,
    publicKey: key,
    proof: {
      kind: 'amended',
      networkKey: toText(networkKey.publicKey),
      networkSignature: toText(networkKey.sign(claimBytes(changed))),
    },
  });
}

/** @throws FilerError `message-malformed` */
export function parseClaims(value: unknown): MembershipClaims {
  return readDocument(value, 'claims', CLAIMS);
}

/** @throws FilerError `message-malformed`; signatures are not checked here */
export function parseMembership(value: unknown): Membership {
  return readDocument(value, 'membership', MEMBERSHIP);
}

function parseProof(value: unknown): AdmittedProof | AmendedProof {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (kind === 'amended') return readDocument(value, 'proof', AMENDED);
  const proof = readDocument(value, 'proof', ADMITTED);
  if (kind === 'admitted') return proof;
  throw new FilerError('message-malformed', 'proof.kind is neither admitted nor amended');
}

/**
 * Checks a membership to its root, the network's key. Whether the peer was removed since is not said here.
 *
 * @param network the id that the caller trusts
 * @throws FilerError `signature-invalid` with what does not hold
 */
export function verifyMembership(membership: Membership, network: string): void {
  verifyUpToServer(membership, network);
  const { proof } = membership;
  if (proof.kind === 'amended') return;
  const holds = signatureHolds(proof.serverKey, claimBytes(membership), proof.serverSignature);
  requireTrue(holds, `the membership of ${membership.name}`, 'the server has not signed it');
}

/** The same but for the signature of the server, which may be the caller. */
function verifyUpToServer(membership: Membership, network: string): void {
  const need = (holds: boolean, reason: string): void =>
    requireTrue(holds, `the membership of ${membership.name}`, reason);
  const { proof } = membership;
  need(membership.network === network, 'it is of another network');
  need(idOfKeyText(membership.publicKey) === membership.id, 'its key is not that of its id');
  const bytes = claimBytes(membership);
  if (proof.kind === 'amended') {
    need(idOfKeyText(proof.networkKey) === network, 'its network key is another one');
    need(signatureHolds(proof.networkKey, bytes, proof.networkSignature), 'the network has not signed it');
    return;
  }
  const { grant } = proof;
  const fault = grantFault(grant, network);
  need(fault === undefined, `of its invite, ${fault}`);
  need(grant.invite === membership.invite, 'it names another invite than it carries');
  need(grant.server === membership.server, 'its invite is for another server');
  need(idOfKeyText(proof.serverKey) === membership.server, 'its server key is not that of its server');
  need(grant.groups.join() === membership.groups.join(), 'its groups are not those of its invite');
  need(signatureHolds(grant.inviteKey, bytes, proof.inviteSignature), 'the invite has not signed it');
  need(signatureHolds(membership.publicKey, bytes, proof.peerSignature), 'the peer has not signed it');
}

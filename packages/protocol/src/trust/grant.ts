import { FilerError } from '../errors.ts';
import { DocumentReader, idOfKeyText, signatureHolds, toText } from './document.ts';
import type { KeyPair } from './keys.ts';
import { signedBytes } from './signed.ts';

/** What an invite may do: a delegated key with its limits, signed by the network's key. */
export interface InviteGrant {
  /** The network's id. */
  readonly network: string;
  readonly networkKey: string;
  /** The invite's id: the first 20 characters of the id of `inviteKey`. */
  readonly invite: string;
  readonly inviteKey: string;
  /** The id of the one server that may admit with it. */
  readonly server: string;
  /** What a member that it admits belongs to. */
  readonly groups: readonly string[];
  readonly createdAt: number;
  /** ms since the epoch, by the server's clock; it limits admission only. */
  readonly expiresAt: number;
  /** How many may join with it. */
  readonly uses: number;
  /** By the network's key. */
  readonly signature: string;
}

/** Characters of an invite's id: 100 bits, and short enough to type for `invite --revoke`. */
const INVITE_ID_LENGTH = 20;

/** Largest number of uses; it travels in four bytes. */
export const MAX_INVITE_USES = 0xffff_ffff;

/** Times travel in six bytes: the year 10889. */
const MAX_TIME_MS = 2 ** 48 - 1;

const KEYS = [
  'network',
  'networkKey',
  'invite',
  'inviteKey',
  'server',
  'groups',
  'createdAt',
  'expiresAt',
  'uses',
  'signature',
];

type UnsignedGrant = Omit<InviteGrant, 'signature'>;

/** The id of an invite. @param keyId `idOfPublicKey` of its key */
export function inviteIdOf(keyId: string): string {
  return keyId.slice(0, INVITE_ID_LENGTH);
}

function grantBytes(grant: UnsignedGrant): Buffer {
  return signedBytes('invite', {
    network: grant.network,
    networkKey: grant.networkKey,
    invite: grant.invite,
    inviteKey: grant.inviteKey,
    server: grant.server,
    groups: grant.groups.join(','),
    createdAt: String(grant.createdAt),
    expiresAt: String(grant.expiresAt),
    uses: String(grant.uses),
  });
}

/** Signs what an invite may do with the network's key. */
export function signGrant(grant: UnsignedGrant, networkKey: KeyPair): InviteGrant {
  return { ...grant, signature: toText(networkKey.sign(grantBytes(grant))) };
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseGrant(value: unknown): InviteGrant {
  const grant = new DocumentReader(value, 'grant', KEYS);
  return {
    network: grant.id('network'),
    networkKey: grant.publicKey('networkKey'),
    invite: grant.inviteId('invite'),
    inviteKey: grant.publicKey('inviteKey'),
    server: grant.id('server'),
    groups: grant.groups('groups'),
    createdAt: grant.integer('createdAt', 0, MAX_TIME_MS),
    expiresAt: grant.integer('expiresAt', 0, MAX_TIME_MS),
    uses: grant.integer('uses', 1, MAX_INVITE_USES),
    signature: grant.signature('signature'),
  };
}

/**
 * Checks that the network's key signed the grant. Expiry and uses are the server's to judge.
 *
 * @param network the id that the caller trusts
 * @throws FilerError `invite-wrong`
 */
export function verifyGrant(grant: InviteGrant, network: string): void {
  const wrong = grantFault(grant, network);
  if (wrong === undefined) return;
  throw new FilerError('invite-wrong', `the invite is not valid: ${wrong}; ask for a new link`);
}

/** What is wrong with a grant, or undefined. */
export function grantFault(grant: InviteGrant, network: string): string | undefined {
  if (grant.network !== network) return 'it is for another network';
  if (idOfKeyText(grant.networkKey) !== network) return 'its network key does not belong to the network';
  if (inviteIdOf(idOfKeyText(grant.inviteKey)) !== grant.invite) return 'its id does not belong to its key';
  if (!signatureHolds(grant.networkKey, grantBytes(grant), grant.signature)) {
    return 'the network has not signed it';
  }
  return undefined;
}

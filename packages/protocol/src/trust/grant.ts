import { isDeepStrictEqual } from 'node:util';
import { FilerError } from '../errors.ts';
import { groups, id, idOfKeyText, integer, inviteId, publicKey, signedKind } from './document.ts';
import type { KeyPair } from './keys.ts';

/** Characters of an invite's id: 100 bits, and short enough to type for `invite --revoke`. */
const INVITE_ID_LENGTH = 20;

/** Largest number of uses; it travels in four bytes. */
export const MAX_INVITE_USES = 0xffff_ffff;

/** Times travel in six bytes: the year 10889. */
const MAX_TIME_MS = 2 ** 48 - 1;

const GRANT = signedKind('invite', 'grant', {
  /** The network's id. */
  network: id,
  networkKey: publicKey,
  /** The invite's id: the first 20 characters of the id of `inviteKey`. */
  invite: inviteId,
  inviteKey: publicKey,
  /** The id of the one server that may admit with it. */
  server: id,
  /** What a member that it admits belongs to. */
  groups,
  createdAt: integer(0, MAX_TIME_MS),
  /** ms since the epoch, by the server's clock; it limits admission only. */
  expiresAt: integer(0, MAX_TIME_MS),
  /** How many may join with it. */
  uses: integer(1, MAX_INVITE_USES),
});

/** What an invite may do: a delegated key with its limits, signed by the network's key. */
export interface InviteGrant extends ReturnType<typeof GRANT.parse> {}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseGrant: (value: unknown) => InviteGrant = GRANT.parse;

/** Signs what an invite may do with the network's key. */
export function signGrant(grant: Omit<InviteGrant, 'signature'>, networkKey: KeyPair): InviteGrant {
  return GRANT.sign(networkKey, grant);
}

/** The id of an invite. @param keyId `idOfPublicKey` of its key */
export function inviteIdOf(keyId: string): string {
  return keyId.slice(0, INVITE_ID_LENGTH);
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
  if (isDeepStrictEqual(genuine.get(grant.signature), grant)) return undefined;
  if (idOfKeyText(grant.networkKey) !== network) return 'its network key does not belong to the network';
  if (inviteIdOf(idOfKeyText(grant.inviteKey)) !== grant.invite) return 'its id does not belong to its key';
  if (!GRANT.holds(grant, grant.networkKey)) {
    return 'the network has not signed it';
  }
  const [oldest] = genuine.keys();
  if (genuine.size >= MAX_GENUINE && oldest !== undefined) genuine.delete(oldest);
  genuine.set(grant.signature, grant);
  return undefined;
}

/** Grants that were found genuine, by their signatures: all who joined with one invite carry the same. */
const genuine = new Map<string, InviteGrant>();
const MAX_GENUINE = 64;

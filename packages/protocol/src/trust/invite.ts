/*
 * An invite as one link:
 *
 *   filer://HOST:PORT[,HOST:PORT…]/BASE64URL
 *
 * whose last part is, without padding, these bytes (integers unsigned, big-endian):
 *
 *   offset  size  field
 *   0       1     layout: 1
 *   1       32    seed of the invite's Ed25519 key: what makes the link a secret
 *   33      32    public key of the network
 *   65      32    id of the server: the SHA-256 itself
 *   97      6     created, ms since the epoch
 *   103     6     expires, ms since the epoch
 *   109     4     uses
 *   113     64    signature of the grant by the network's key
 *   177     1     G: number of groups
 *   178     …     G times: u8 length | name
 *
 * All else in a grant follows from these. The addresses are not signed: who answers there must prove the id.
 */
import { formatHostPort, parseHostPort, type HostPort } from '../addresses.ts';
import { FilerError } from '../errors.ts';
import { MAX_ADDRESSES, MAX_INVITE_LENGTH } from '../limits.ts';
import { fromBase32, toBase32 } from './base32.ts';
import { toText } from './document.ts';
import { grantFault, inviteIdOf, parseGrant, signGrant, type InviteGrant } from './grant.ts';
import {
  createKeyPair,
  idOfPublicKey,
  KEY_BYTES,
  keyPairFromSeed,
  SIGNATURE_BYTES,
  type KeyPair,
} from './keys.ts';

export { MAX_INVITE_USES, parseGrant, verifyGrant, type InviteGrant } from './grant.ts';

/** A grant with the secret that uses it, and where its server is. */
export interface Invite {
  readonly grant: InviteGrant;
  /** 32 bytes, secret. */
  readonly seed: Buffer;
  readonly addresses: readonly HostPort[];
}

export interface InviteOptions {
  readonly networkKey: KeyPair;
  /** The id of the server that will admit. */
  readonly server: string;
  /** Where that server is, 1 to 8, best first. */
  readonly addresses: readonly HostPort[];
  readonly groups: readonly string[];
  /** ms since the epoch */
  readonly expiresAt: number;
  /** 1 to 4,294,967,295 */
  readonly uses: number;
  /** ms since the epoch */
  readonly now: number;
}

const LAYOUT = 1;
const FIXED_BYTES = 178;

/**
 * Makes an invite with a key of its own.
 *
 * @throws FilerError `usage` for a value outside its range
 */
export function createInvite(options: InviteOptions): Invite {
  const { networkKey, server, addresses, expiresAt, uses, now } = options;
  const { seed, publicKey, id } = createKeyPair();
  const groups = [...new Set(options.groups)].sort();
  if (addresses.length < 1 || addresses.length > MAX_ADDRESSES) {
    throw new FilerError('usage', `an invite has 1 to ${MAX_ADDRESSES} addresses, not ${addresses.length}`);
  }
  const grant = signGrant(
    {
      network: networkKey.id,
      networkKey: toText(networkKey.publicKey),
      invite: inviteIdOf(id),
      inviteKey: toText(publicKey),
      server,
      groups,
      createdAt: now,
      expiresAt,
      uses,
    },
    networkKey,
  );
  try {
    return { grant: parseGrant(grant), seed, addresses };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `no invite can say this: ${error.message}`, { cause: error });
  }
}

/** The link. It is a secret: a reader of it may join. */
export function formatInvite({ grant, seed, addresses }: Invite): string {
  const bytes = Buffer.alloc(FIXED_BYTES);
  bytes.writeUInt8(LAYOUT, 0);
  bytes.set(seed, 1);
  bytes.set(Buffer.from(grant.networkKey, 'base64url'), 33);
  bytes.set(fromBase32(grant.server), 65);
  bytes.writeUIntBE(grant.createdAt, 97, 6);
  bytes.writeUIntBE(grant.expiresAt, 103, 6);
  bytes.writeUInt32BE(grant.uses, 109);
  bytes.set(Buffer.from(grant.signature, 'base64url'), 113);
  bytes.writeUInt8(grant.groups.length, 177);
  const names = grant.groups.map((group) =>
    Buffer.from(`${String.fromCharCode(group.length)}${group}`, 'latin1'),
  );
  return `filer://${addresses.map(formatHostPort).join(',')}/${toText(Buffer.concat([bytes, ...names]))}`;
}

/**
 * Reads a link, with white space around it allowed, and checks the grant's signature and that the secret fits.
 *
 * @throws FilerError `invite-malformed`; the message never holds the link, which is a secret
 */
export function parseInvite(text: string): Invite {
  const link = text.trim();
  if (link.length > MAX_INVITE_LENGTH) throw malformed(`it is longer than ${MAX_INVITE_LENGTH} characters`);
  if (!link.startsWith('filer://')) throw malformed('it does not begin with filer://');
  const [, hosts, secret] = /^filer:\/\/([^/]*)\/([^/]*)$/.exec(link) ?? [];
  if (hosts === undefined || secret === undefined) throw malformed('it is cut off before its last part');
  if (!/^[A-Za-z0-9_-]*$/.test(secret)) throw malformed('its last part holds a character that no link has');
  const addresses = parseAddresses(hosts);
  const bytes = Buffer.from(secret, 'base64url');
  if (bytes.length > 0 && bytes[0] !== LAYOUT)
    throw malformed('it was made by a version that is not known here');
  const groups = parseGroups(bytes);
  if (toText(bytes) !== secret) throw malformed('its last characters were changed or cut off');
  return { ...readGrant(bytes, groups), addresses };
}

function parseAddresses(hosts: string): HostPort[] {
  const parts = hosts.split(',');
  if (parts.length > MAX_ADDRESSES) throw malformed(`it names more than ${MAX_ADDRESSES} addresses`);
  return parts.map((part) => {
    try {
      const address = parseHostPort(part);
      if (address.port > 0) return address;
    } catch (error) {
      throw malformed('what follows filer:// is not HOST:PORT', error);
    }
    throw malformed('it names the port 0');
  });
}

function parseGroups(bytes: Buffer): string[] {
  if (bytes.length < FIXED_BYTES) throw malformed('it is cut off');
  const groups: string[] = [];
  let at = FIXED_BYTES;
  for (let left = bytes.readUInt8(FIXED_BYTES - 1); left > 0; left--) {
    const end = at + 1 + (bytes[at] ?? 0);
    if (at >= bytes.length || end > bytes.length) throw malformed('it is cut off');
    groups.push(bytes.toString('latin1', at + 1, end));
    at = end;
  }
  if (at < bytes.length) throw malformed('it has characters after its end');
  return groups;
}

function readGrant(bytes: Buffer, groups: string[]): { grant: InviteGrant; seed: Buffer } {
  const seed = Buffer.from(bytes.subarray(1, 1 + KEY_BYTES));
  const key = keyPairFromSeed(seed);
  const networkKey = bytes.subarray(33, 33 + KEY_BYTES);
  const network = idOfPublicKey(networkKey);
  const value: InviteGrant = {
    network,
    networkKey: toText(networkKey),
    invite: inviteIdOf(key.id),
    inviteKey: toText(key.publicKey),
    server: toBase32(bytes.subarray(65, 97)),
    groups,
    createdAt: bytes.readUIntBE(97, 6),
    expiresAt: bytes.readUIntBE(103, 6),
    uses: bytes.readUInt32BE(109),
    signature: toText(bytes.subarray(113, 113 + SIGNATURE_BYTES)),
  };
  let grant: InviteGrant;
  try {
    grant = parseGrant(value);
  } catch (error) {
    throw malformed('it was changed on its way', error);
  }
  if (grantFault(grant, network) !== undefined) throw malformed('it was changed on its way');
  return { grant, seed };
}

function malformed(why: string, cause?: unknown): FilerError {
  return new FilerError(
    'invite-malformed',
    `this is not a whole invite link: ${why}; copy it again, from filer:// to its end`,
    { cause },
  );
}

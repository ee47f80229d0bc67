/* Ids of keys, and invite links. */
import { grant } from './documents.ts';
import { keys, text, type Document } from './signing.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

export const goodIds = Object.values(keys).map(({ seed, publicKey, id }) => ({
  seed: seed.toString('hex'),
  publicKey: publicKey.toString('hex'),
  text: text(publicKey),
  id,
}));

const { id } = keys.anna;
export const badIds = [
  { name: 'too short', text: id.slice(1) },
  { name: 'too long', text: `${id}A` },
  { name: 'lower case', text: id.toLowerCase() },
  { name: 'padded', text: `${id}====` },
  { name: 'a digit that base32 does not have', text: `1${id.slice(1)}` },
  { name: 'a last character with bits to spare', text: `${id.slice(0, -1)}B` },
];

/** The bytes of an id. */
function idBytes(of: string): Buffer {
  const bits = Array.from(of, (character) => ALPHABET.indexOf(character).toString(2).padStart(5, '0')).join(
    '',
  );
  return Buffer.from((bits.match(/[01]{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

function integer(value: unknown, bytes: number): Buffer {
  const into = Buffer.alloc(bytes);
  into.writeUIntBE(Number(value), 0, bytes);
  return into;
}

function secretOf(of: Document, seed: Buffer, groups: readonly string[]): Buffer {
  const names = groups.map((name) => Buffer.concat([integer(name.length, 1), Buffer.from(name)]));
  return Buffer.concat([
    integer(1, 1),
    seed,
    Buffer.from(String(of['networkKey']), 'base64url'),
    idBytes(String(of['server'])),
    integer(of['createdAt'], 6),
    integer(of['expiresAt'], 6),
    integer(of['uses'], 4),
    Buffer.from(String(of['signature']), 'base64url'),
    integer(groups.length, 1),
    ...names,
  ]);
}

const { seed } = keys.invite;
const secret = secretOf(grant, seed, ['lab']);
const link = (hosts: string, bytes: Uint8Array): string => `filer://${hosts}/${text(bytes)}`;
const HOST = 'files.example:7420';

export const goodInvites = [
  { name: 'one address', link: link(HOST, secret), addresses: [HOST] },
  {
    name: 'three addresses',
    link: link(`${HOST},192.0.2.7:7420,[2001:db8::7]:7420`, secret),
    addresses: [HOST, '192.0.2.7:7420', '[2001:db8::7]:7420'],
  },
].map((each) => ({ ...each, seed: seed.toString('hex'), grant }));

/** With one byte changed. */
function changed(at: number): Buffer {
  const bytes = Buffer.from(secret);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}

/** Each is refused as `invite-malformed`. */
export const badInvites = [
  { name: 'another scheme', link: link(HOST, secret).replace('filer:', 'https:') },
  { name: 'no address', link: link('', secret) },
  { name: 'port 0', link: link('files.example:0', secret) },
  { name: 'nine addresses', link: link(Array.from({ length: 9 }, () => HOST).join(), secret) },
  { name: 'no secret', link: `filer://${HOST}/` },
  { name: 'cut off', link: link(HOST, secret).slice(0, -4) },
  { name: 'padded', link: `${link(HOST, secret)}=` },
  { name: 'a byte behind its end', link: link(HOST, Buffer.concat([secret, Buffer.of(0)])) },
  { name: 'another layout', link: link(HOST, changed(0)) },
  { name: 'the seed changed', link: link(HOST, changed(1)) },
  { name: 'the uses changed', link: link(HOST, changed(112)) },
  { name: 'the signature changed', link: link(HOST, changed(120)) },
  { name: 'a group that is not signed', link: link(HOST, secretOf(grant, seed, ['lab', 'staff'])) },
];

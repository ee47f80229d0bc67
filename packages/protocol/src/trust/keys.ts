import type { KeyObject } from 'node:crypto';
import { nodeCrypto } from '../loaded-late.ts';
import { toBase32 } from './base32.ts';

/** Bytes of an Ed25519 public key, of the seed of a private one, and of a signature (RFC 8032). */
export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

// What stands before the 32 bytes in the DER of an Ed25519 key (RFC 8410): it is always the same.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 key that signs. */
export interface KeyPair {
  /** 32 bytes, raw. */
  readonly publicKey: Buffer;
  /** `idOfPublicKey(publicKey)` */
  readonly id: string;
  /** @returns 64 bytes */
  sign(bytes: Uint8Array): Buffer;
}

/** A key pair whose private half may be written down: 32 bytes, secret. */
export interface SeededKeyPair extends KeyPair {
  readonly seed: Buffer;
}

/** A new key from the system's randomness. */
export function createKeyPair(): SeededKeyPair {
  return keyPairFromSeed(nodeCrypto().randomBytes(KEY_BYTES));
}

/** The key of a seed. @throws Error unless the seed has 32 bytes */
export function keyPairFromSeed(seed: Uint8Array): SeededKeyPair {
  if (seed.length !== KEY_BYTES) throw new Error(`a seed has ${KEY_BYTES} bytes, not ${seed.length}`);
  const key = nodeCrypto().createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  return { ...keyPairOf(key), seed: Buffer.from(seed) };
}

/** The key in a PKCS#8 PEM. @throws Error when it is not the PEM of an unencrypted Ed25519 private key */
export function keyPairFromPem(pem: string): KeyPair {
  const key = nodeCrypto().createPrivateKey({ key: pem, format: 'pem' });
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`the key is ${key.asymmetricKeyType}, not Ed25519`);
  return keyPairOf(key);
}

/** The PKCS#8 PEM that `keyPairFromPem` reads. */
export function pemOfSeed(seed: Uint8Array): string {
  const base64 = Buffer.concat([PKCS8_PREFIX, seed]).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`;
}

function keyPairOf(key: KeyObject): KeyPair {
  const publicKey = rawPublicKey(nodeCrypto().createPublicKey(key));
  return {
    publicKey,
    id: idOfPublicKey(publicKey),
    sign: (bytes) => nodeCrypto().sign(null, bytes, key),
  };
}

/** The 32 bytes of an Ed25519 public key. @throws Error for a key of another type */
export function rawPublicKey(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`the key is ${key.asymmetricKeyType}, not Ed25519`);
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
}

/** Whether the signature holds; false for anything malformed. Never throws. */
export function verifySignature(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  try {
    const der = Buffer.concat([SPKI_PREFIX, publicKey]);
    const { createPublicKey, verify } = nodeCrypto();
    return verify(null, bytes, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
  } catch {
    // Bytes that are no point of the curve are no key.
    return false;
  }
}

/**
 * The id of the holder of a key: SHA-256 of its SPKI DER in upper-case base32, 52 characters, so that it never
 * looks like a name.
 *
 * @param publicKey 32 bytes, raw
 */
export function idOfPublicKey(publicKey: Uint8Array): string {
  return toBase32(nodeCrypto().createHash('sha256').update(SPKI_PREFIX).update(publicKey).digest());
}

/** Whether `text` is written as an id: 52 characters, the last of which carries one bit. */
export function isPeerId(text: string): boolean {
  return /^[A-Z2-7]{51}[AQ]$/.test(text);
}

import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createKeyPair, idOfPublicKey, isPeerId, keyPairFromSeed, verifySignature } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { fromBase32, toBase32 } from '../../../packages/protocol/src/trust/base32.ts';

// RFC 8032, section 7.1, test 2
const SEED = Buffer.from('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', 'hex');
const PUBLIC = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';

describe('keys', () => {
  test('give the signature of RFC 8032', () => {
    const key = keyPairFromSeed(SEED);
    expect(key.publicKey.toString('hex')).toBe(PUBLIC);
    expect(key.sign(Buffer.from('72', 'hex')).toString('hex')).toBe(SIGNATURE);
    expect(verifySignature(key.publicKey, Buffer.from('72', 'hex'), Buffer.from(SIGNATURE, 'hex'))).toBe(
      true,
    );
  });

  test('have as id the SHA-256 of their SPKI in 52 characters of base32', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const der = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' })).export({
      format: 'der',
      type: 'spki',
    });
    const id = idOfPublicKey(der.subarray(12));
    expect(id).toHaveLength(52);
    expect(fromBase32(id).equals(createHash('sha256').update(der).digest())).toBe(true);
  });

  test('refuse a signature that is cut, too long, of another key or over other bytes, and never throw', () => {
    const key = createKeyPair();
    const bytes = Buffer.from('report');
    const signature = key.sign(bytes);
    expect(verifySignature(key.publicKey, bytes, signature)).toBe(true);
    expect(verifySignature(key.publicKey, bytes, signature.subarray(1))).toBe(false);
    expect(verifySignature(key.publicKey, bytes, Buffer.concat([signature, signature]))).toBe(false);
    expect(verifySignature(createKeyPair().publicKey, bytes, signature)).toBe(false);
    expect(verifySignature(key.publicKey, Buffer.from('Report'), signature)).toBe(false);
    expect(verifySignature(Buffer.alloc(32, 255), bytes, signature)).toBe(false);
    expect(verifySignature(Buffer.alloc(0), bytes, Buffer.alloc(0))).toBe(false);
  });

  test('tell an id from names, lower case, other lengths and ids that no digest has', () => {
    const { id } = createKeyPair();
    expect(isPeerId(id)).toBe(true);
    for (const wrong of [
      'anna',
      id.toLowerCase(),
      id.slice(1),
      `${id}A`,
      `${id.slice(0, 51)}B`,
      `${id}\n`,
      '',
    ]) {
      expect(isPeerId(wrong)).toBe(false);
    }
  });
});

test('base32 writes the vectors of RFC 4648', () => {
  const vectors = {
    '': '',
    f: 'MY',
    fo: 'MZXQ',
    foo: 'MZXW6',
    foob: 'MZXW6YQ',
    fooba: 'MZXW6YTB',
    foobar: 'MZXW6YTBOI',
  };
  for (const [plain, encoded] of Object.entries(vectors)) {
    expect(toBase32(Buffer.from(plain))).toBe(encoded);
    expect(fromBase32(encoded).toString()).toBe(plain);
  }
});

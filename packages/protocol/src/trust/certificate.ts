import type { webcrypto, X509Certificate } from 'node:crypto';
import { FilerError } from '../errors.ts';
import { idOfPublicKey, rawPublicKey } from './keys.ts';

const DAY_MS = 24 * 3_600_000;

/** Links are pinned to the key and never judged by dates, so a certificate lasts longer than its machine. */
const VALID_MS = 7_300 * DAY_MS;

/**
 * A self-signed certificate for an Ed25519 key; its subject is the key's id.
 *
 * The library that writes it takes 160 ms to load, so it is loaded here and only here: reading needs Node alone.
 *
 * @param keyPem PKCS#8
 * @param now ms; valid from a day before, for clocks that are behind
 */
export async function createCertificate(keyPem: string, id: string, now: number): Promise<string> {
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const { publicKey, privateKey } = await webcryptoKeys(keyPem);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${id}`,
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + VALID_MS),
      keys: { publicKey, privateKey },
      signingAlgorithm: { name: 'Ed25519' },
    },
    crypto,
  );
  return `${certificate.toString('pem')}\n`;
}

async function webcryptoKeys(keyPem: string): Promise<webcrypto.CryptoKeyPair> {
  const der = Buffer.from(keyPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const privateKey = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']);
  const { kty, crv, x } = await crypto.subtle.exportKey('jwk', privateKey);
  if (kty === undefined || crv === undefined || x === undefined)
    throw new Error('the key has no public half');
  const publicKey = await crypto.subtle.importKey('jwk', { kty, crv, x }, 'Ed25519', true, ['verify']);
  return { publicKey, privateKey };
}

/** Whose certificate it is. @throws FilerError `verification-failed` unless Ed25519 */
export function idOfCertificate(certificate: X509Certificate): string {
  try {
    return idOfPublicKey(rawPublicKey(certificate.publicKey));
  } catch (error) {
    throw new FilerError('verification-failed', 'the certificate of the other side has no Ed25519 key', {
      cause: error,
    });
  }
}

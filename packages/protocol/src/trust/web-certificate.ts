import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

const DAY_MS = 24 * 3_600_000;

/** Some browsers refuse what is valid for longer. */
const VALID_MS = 397 * DAY_MS;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A new key and its self-signed certificate for browsers, which know no Ed25519; both PEM. */
export interface WebCertificate {
  readonly key: string;
  readonly cert: string;
}

/**
 * @param names DNS names and IP literals by which the server is called
 * @param now ms; valid from a day before, for clocks that are behind
 */
export async function createWebCertificate(names: readonly string[], now: number): Promise<WebCertificate> {
  await import('reflect-metadata');
  const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=filer',
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + VALID_MS),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
        ),
      ],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = der.match(/.{1,64}/g) ?? [];
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`,
    cert: `${certificate.toString('pem')}\n`,
  };
}

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isIP } from 'node:net';
import {
  createWebCertificate,
  FilerError,
  messageOf,
  replaceSecretFile,
  systemCode,
  type WebCertificate,
} from '@filer/protocol';
import type { Home } from '@filer/program';

/** One that has less left is made again. */
const RENEWED_BEFORE_MS = 30 * 24 * 3_600_000;

const CERTIFICATE_BEGINS = '-----BEGIN CERTIFICATE-----';

/**
 * The certificate that this server has made itself for browsers: of this home, made when there is none, when it ends soon or does not
 * hold these names.
 *
 * @param names by which the server is called, beside its own name and the loopback ones
 * @throws FilerError `home-not-writable`, `no-space`
 */
export async function ownCertificate(home: Home, names: readonly string[]): Promise<WebCertificate> {
  const machine = hostname().toLowerCase();
  const all = [
    ...new Set(['localhost', '127.0.0.1', '::1', ...(isDnsName(machine) ? [machine] : []), ...names]),
  ];
  const wanted = all.filter((name) => name !== '::' && name !== '0.0.0.0');
  const known = await readIfThere(home.httpCertificateFile);
  if (known !== undefined && isGood(known, wanted)) return known;
  const made = await createWebCertificate(wanted, Date.now());
  await replaceSecretFile(home.httpCertificateFile, made.key + made.cert);
  return made;
}

function isDnsName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name);
}

async function readIfThere(file: string): Promise<WebCertificate | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    const at = text.indexOf(CERTIFICATE_BEGINS);
    return at > 0 ? { key: text.slice(0, at), cert: text.slice(at) } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === undefined) throw error;
    throw new FilerError('path-unreadable', `${file}: ${messageOf(error)}`, { cause: error });
  }
}

function isGood({ cert }: WebCertificate, names: readonly string[]): boolean {
  try {
    const certificate = new X509Certificate(cert);
    const holds = (name: string): boolean =>
      (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
    return Date.parse(certificate.validTo) > Date.now() + RENEWED_BEFORE_MS && names.every(holds);
  } catch {
    return false; // what is no certificate is made again
  }
}

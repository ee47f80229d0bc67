/*
 * Two files make an identity, `key.pem` and `cert.pem`, and no file system creates two at once. So both are
 * first published in one file, by one exclusive link:
 *
 *   identity.new    key and certificate, one after the other
 *   key.pem         linked from its first part
 *   cert.pem        linked from its second part; then identity.new is removed
 *
 * Of many processes that begin together one wins the first link, and all of them finish its work. A process
 * killed on the way leaves `identity.new`, and the next one finishes. One file alone without it is damage.
 */
import { X509Certificate } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, messageOf, systemCode } from '../errors.ts';
import { createCertificate, idOfCertificate } from './certificate.ts';
import { createKeyPair, keyPairFromPem, pemOfSeed, type KeyPair } from './keys.ts';
import { createSecretFile, replaceSecretFile } from './secret-file.ts';

export { idOfCertificate } from './certificate.ts';

/** Who a peer or an ip-server is: an Ed25519 key and its self-signed certificate. */
export interface Identity extends KeyPair {
  /** PKCS#8, secret. */
  readonly keyPem: string;
  readonly certPem: string;
}

interface Files {
  readonly keyPem: string | undefined;
  readonly certPem: string | undefined;
}

const CERTIFICATE_BEGINS = '-----BEGIN CERTIFICATE-----';

/** A new identity, in memory only. */
export async function createIdentity(): Promise<Identity> {
  const { seed, ...keys } = createKeyPair();
  const keyPem = pemOfSeed(seed);
  return { ...keys, keyPem, certPem: await createCertificate(keyPem, keys.id, Date.now()) };
}

/**
 * The identity in a folder, made there when neither file exists. Any number of processes may do so at once.
 *
 * @param folder exists already
 * @throws FilerError `identity-damaged`: never answered with a new identity, since peers pin the old one;
 *   `home-not-writable`, `no-space`
 */
export async function loadOrCreateIdentity(
  folder: string,
): Promise<{ identity: Identity; created: boolean }> {
  const existing = await loadIdentity(folder);
  if (existing !== undefined) return { identity: existing, created: false };
  const made = await createIdentity();
  await createSecretFile(join(folder, 'identity.new'), made.keyPem + made.certPem);
  await finishCreation(folder);
  const identity = await loadIdentity(folder);
  if (identity === undefined) throw damaged(folder, 'its files vanished while they were made');
  return { identity, created: identity.id === made.id };
}

/**
 * The identity in a folder; a certificate that has expired is renewed with the same key.
 *
 * @returns undefined only when neither file exists
 * @throws FilerError `identity-damaged`, and on renewal `home-not-writable`, `no-space`
 */
export async function loadIdentity(folder: string): Promise<Identity | undefined> {
  let { keyPem, certPem } = await readFiles(folder);
  if ((keyPem === undefined) !== (certPem === undefined)) {
    // Another process may be half-way, or was killed there. Without `identity.new` it has finished by now.
    await finishCreation(folder);
    ({ keyPem, certPem } = await readFiles(folder));
  }
  if (keyPem === undefined && certPem === undefined) return undefined;
  if (keyPem === undefined) throw damaged(folder, 'key.pem is missing');
  if (certPem === undefined) throw damaged(folder, 'cert.pem is missing');

  const keys = readKey(folder, keyPem);
  const certificate = readCertificate(folder, certPem);
  if (certificate.id !== keys.id) throw damaged(folder, 'cert.pem belongs to another key than key.pem');
  if (certificate.expiresAt > Date.now()) return { ...keys, keyPem, certPem };

  const renewed = await createCertificate(keyPem, keys.id, Date.now());
  await replaceSecretFile(join(folder, 'cert.pem'), renewed);
  return { ...keys, keyPem, certPem: renewed };
}

/** Does what is left to do when `identity.new` is there. */
async function finishCreation(folder: string): Promise<void> {
  const file = join(folder, 'identity.new');
  const both = await readIfThere(folder, 'identity.new');
  if (both === undefined) return;
  const certificateAt = both.indexOf(CERTIFICATE_BEGINS);
  if (certificateAt <= 0) throw damaged(folder, 'identity.new is not a key and its certificate');
  await createSecretFile(join(folder, 'key.pem'), both.slice(0, certificateAt));
  await createSecretFile(join(folder, 'cert.pem'), both.slice(certificateAt));
  await rm(file, { force: true });
}

async function readFiles(folder: string): Promise<Files> {
  return { keyPem: await readIfThere(folder, 'key.pem'), certPem: await readIfThere(folder, 'cert.pem') };
}

async function readIfThere(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw damaged(folder, `${name} cannot be read (${systemCode(error) ?? messageOf(error)})`, error);
  }
}

function readKey(folder: string, pem: string): KeyPair {
  try {
    return keyPairFromPem(pem);
  } catch (error) {
    throw damaged(folder, 'key.pem holds no Ed25519 private key', error);
  }
}

function readCertificate(folder: string, pem: string): { id: string; expiresAt: number } {
  try {
    const certificate = new X509Certificate(pem);
    return { id: idOfCertificate(certificate), expiresAt: Date.parse(certificate.validTo) };
  } catch (error) {
    throw damaged(folder, 'cert.pem holds no certificate of an Ed25519 key', error);
  }
}

function damaged(folder: string, what: string, cause?: unknown): FilerError {
  return new FilerError(
    'identity-damaged',
    `the identity in ${folder} is damaged: ${what}; restore key.pem and cert.pem from a backup, or move both away to begin as a new machine`,
    { cause },
  );
}

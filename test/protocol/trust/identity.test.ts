import { execFile } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  createIdentity,
  idOfCertificate,
  loadIdentity,
  loadOrCreateIdentity,
  verifySignature,
} from '@filer/protocol';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { needs } from '../../support/needs.ts';
import { createCertificate } from '../../../packages/protocol/src/trust/certificate.ts';

const run = promisify(execFile);
const sources = fileURLToPath(new URL('../../../packages/protocol/src/trust/identity.ts', import.meta.url));

let folder = '';
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  const made = await mkdtemp(join(tmpdir(), 'filer-identity-'));
  folder = made;
  onTestFinished(() => rm(made, { recursive: true, force: true }));
});

describe('an identity', () => {
  test('signs with the key of its certificate, whose subject is its id', async () => {
    const identity = await createIdentity();
    const certificate = new X509Certificate(identity.certPem);
    expect(idOfCertificate(certificate)).toBe(identity.id);
    expect(certificate.subject).toBe(`CN=${identity.id}`);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const bytes = Buffer.from('x');
    expect(verifySignature(identity.publicKey, bytes, identity.sign(bytes))).toBe(true);
  });

  test('is undefined where there is none, then made once, and the same ever after', async () => {
    expect(await loadIdentity(folder)).toBeUndefined();
    const first = await loadOrCreateIdentity(folder);
    const second = await loadOrCreateIdentity(folder);
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.identity.id).toBe(first.identity.id);
    expect(second.identity.certPem).toBe(first.identity.certPem);
    expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
  });

  test('is in files that only their owner can read', async () => {
    await loadOrCreateIdentity(folder);
    for (const name of ['key.pem', 'cert.pem']) expect((await stat(at(name))).mode & 0o777).toBe(0o600);
  });

  test('is one when 20 creations run at once in one process', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateIdentity(folder)));
    expect(new Set(made.map(({ identity }) => identity.id)).size).toBe(1);
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
  });

  test('is one when 20 processes begin at once', async () => {
    const script = `const { loadOrCreateIdentity } = await import(${JSON.stringify(sources)});
      const { identity, created } = await loadOrCreateIdentity(process.argv[1]);
      console.log(JSON.stringify({ id: identity.id, created }));`;
    const flags = ['--input-type=module', '--eval', script, folder];
    const runs = await Promise.all(Array.from({ length: 20 }, () => run(process.execPath, flags)));
    const said = runs.map(({ stdout }) => JSON.parse(stdout) as { id: string; created: boolean });
    expect(new Set(said.map(({ id }) => id)).size).toBe(1);
    expect(said.filter(({ created }) => created)).toHaveLength(1);
    expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
  });

  test('is finished by the next process when its maker was killed after either file', async () => {
    const { keyPem, certPem, id } = await createIdentity();
    await writeFile(at('identity.new'), keyPem + certPem);
    await writeFile(at('key.pem'), keyPem);
    expect((await loadIdentity(folder))?.id).toBe(id);
    expect((await readdir(folder)).sort()).toEqual(['cert.pem', 'key.pem']);
  });

  test('keeps its id when an expired certificate is renewed', async () => {
    const { keyPem, id } = await createIdentity();
    const expired = await createCertificate(keyPem, id, Date.now() - 8_000 * 24 * 3_600_000);
    await writeFile(at('key.pem'), keyPem);
    await writeFile(at('cert.pem'), expired);
    const renewed = await loadIdentity(folder);
    expect(renewed?.id).toBe(id);
    const stored = new X509Certificate(await readFile(at('cert.pem')));
    expect(Date.parse(stored.validTo)).toBeGreaterThan(Date.now());
    expect(stored.toString()).toBe(renewed?.certPem);
  });

  test('cannot be made where nothing can be written', async () => {
    await expect(loadOrCreateIdentity(at('nowhere'))).rejects.toMatchObject({ code: 'home-not-writable' });
  });
});

const rsa = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ format: 'pem', type: 'pkcs8' })
    .toString();

const damages: [string, () => Promise<unknown>][] = [
  ['whose key is missing', () => rm(at('key.pem'))],
  ['whose certificate is missing', () => rm(at('cert.pem'))],
  ['whose key is empty', () => writeFile(at('key.pem'), '')],
  ['whose certificate is empty', () => writeFile(at('cert.pem'), '')],
  ['whose key is cut', async () => writeFile(at('key.pem'), (await readFile(at('key.pem'))).subarray(0, 60))],
  [
    'whose certificate is cut',
    async () => writeFile(at('cert.pem'), (await readFile(at('cert.pem'))).subarray(0, 200)),
  ],
  ['whose key is of another type', () => writeFile(at('key.pem'), rsa())],
  ['whose key is another one', async () => writeFile(at('key.pem'), (await createIdentity()).keyPem)],
  [
    'whose certificate is another one',
    async () => writeFile(at('cert.pem'), (await createIdentity()).certPem),
  ],
  ['whose key is a folder', async () => rm(at('key.pem')).then(() => mkdir(at('key.pem')))],
];

describe('the identity of a machine', () => {
  test.each(damages)('%s is an error and never a new identity', async (_, damage) => {
    await loadOrCreateIdentity(folder);
    await damage();
    const before = await contents();
    for (const open of [loadIdentity, loadOrCreateIdentity]) {
      await expect(open(folder)).rejects.toMatchObject({ code: 'identity-damaged' });
    }
    expect(await contents()).toEqual(before);
  });

  test.skipIf(needs('openssl'))(
    'of a key that is not Ed25519 is refused when it is another machine that shows it',
    async () => {
      const flags = [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        '/CN=x',
        '-keyout',
        at('k'),
        '-out',
        at('c'),
      ];
      await run('openssl', flags);
      const certificate = new X509Certificate(await readFile(at('c')));
      expect(() => idOfCertificate(certificate)).toThrow(
        expect.objectContaining({ code: 'verification-failed' }),
      );
    },
  );

  test.skipIf(needs('openssl'))(
    'has a certificate that openssl verifies and whose key it names as Node does',
    async () => {
      const { identity } = await loadOrCreateIdentity(folder);
      const verified = await run('openssl', [
        'verify',
        '-check_ss_sig',
        '-CAfile',
        at('cert.pem'),
        at('cert.pem'),
      ]);
      expect(verified.stdout).toContain('OK');
      const { stdout } = await run('openssl', ['x509', '-in', at('cert.pem'), '-noout', '-pubkey']);
      const der = Buffer.from(stdout.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
      expect(der.subarray(12).equals(identity.publicKey)).toBe(true);
      const checked = await run('openssl', ['pkey', '-in', at('key.pem'), '-noout', '-text']);
      expect(checked.stdout).toContain('ED25519');
    },
  );
});

async function contents(): Promise<Record<string, string>> {
  const read: Record<string, string> = {};
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    read[entry.name] = entry.isFile() ? await readFile(at(entry.name), 'utf8') : 'a folder';
  }
  return read;
}

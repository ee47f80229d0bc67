import { chmod, mkdir, open, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  checkBackup,
  checkCertificate,
  checkDatabase,
} from '../../apps/ip-server/src/doctor/server-checks.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { runHere } from '../support/in-process.ts';
import { freePort } from '../support/free-port.ts';
import { freshFolder } from '../support/ip-server.ts';
import { NetworkHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';

let network: NetworkHere;

beforeAll(async () => {
  network = await NetworkHere.open({ httpPort: 0 });
  await network.join('anna');
});
afterAll(() => network[Symbol.asyncDispose]());

async function doctor(
  home: string,
  ...args: string[]
): Promise<{ readonly document: Line; readonly code: number | null; readonly of: (check: string) => Line }> {
  const outcome = await runHere('ip-server', home, ['doctor', ...args, '--json']);
  const [document = {}] = jsonLines(outcome);
  const checks = (document['checks'] ?? []) as Line[];
  return { document, code: outcome.code, of: (name) => checks.find(({ check }) => check === name) ?? {} };
}

test('a server that runs is well, but for what only its owner knows', async () => {
  const { document, code, of } = await doctor(network.serverHome);

  expect(document).toMatchObject({ ok: true, exitCode: 0 });
  expect(code).toBe(0);
  for (const check of ['server', 'identity', 'network-key', 'database', 'descriptors', 'port', 'http'])
    expect(of(check)).toMatchObject({ state: 'ok' });
  expect(of('port')['facts']).toEqual({ address: `127.0.0.1:${network.port}` });
  expect(of('backup')).toMatchObject({ state: 'warning' });
  expect(of('address')).toMatchObject({ state: 'warning' }); // loopback in an invite
  expect(of('certificate')).toMatchObject({ state: 'skipped' });
});

test('a server that is stopped fails, and its files are looked at', async () => {
  await using own = await NetworkHere.open();
  await own.stopServer();
  await chmod(join(own.serverHome, 'network-key.pem'), 0o644);
  const { code, of } = await doctor(own.serverHome);

  expect(of('server')).toMatchObject({ state: 'failed', remedy: expect.stringContaining('ip-server start') });
  expect(of('database')).toMatchObject({ state: 'ok' });
  expect(of('network-key')).toMatchObject({ state: 'warning', remedy: expect.stringContaining('chmod 600') });
  expect(code).toBe(1);
});

test('a home in which no server ever ran says how to start one, and nothing is made there', async () => {
  const home = await freshFolder();
  const { code, of } = await doctor(home);

  expect(of('server')).toMatchObject({ state: 'failed', facts: { code: 'needs-daemon' } });
  expect(of('identity')).toMatchObject({ state: 'failed' });
  expect(String(of('identity')['remedy'])).toContain('ip-server start');
  expect(of('network-key')).toMatchObject({ state: 'skipped' });
  expect(code).toBe(1);
});

test('settings that are wrong are each named, those that are right are used, and the bundle is written', async () => {
  await using own = await NetworkHere.open();
  await own.stopServer();
  const webhook = 'ftp://me:hunter2@hooks.example/T0KEN';
  const text = `webhook = "${webhook}"\nport = "x"\nbackup = "${own.serverHome}/my backups"\n`;
  await writeFile(join(own.serverHome, 'config.toml'), text);
  const file = join(await freshFolder(), 'bundle.json');
  const { document, code, of } = await doctor(own.serverHome, '--bundle', file);

  const wrong = (document['checks'] as Line[]).filter(({ check }) => check === 'configuration');
  expect(wrong.map(({ summary }) => String(summary).split(' ')[0])).toEqual(['port', 'webhook']);
  expect(of('backup')).toMatchObject({ state: 'failed' });
  expect(of('database')).toMatchObject({ state: 'ok' });
  expect(code).toBe(1);
  const bundle = await readFile(file, 'utf8');
  expect(bundle).not.toMatch(/hunter2|T0KEN|backups/);
  expect(bundle).not.toContain(own.folder);
});

test('a database that is damaged is said to be', async () => {
  const file = join(await freshFolder(), 'ip-server.db');
  await (await openStore(file)).close();
  await damage(file);
  const check = await checkDatabase({ place: file });

  expect(check).toMatchObject({ state: 'failed', remedy: expect.stringContaining('backup') });
});

/** Overwrites what is behind the first pages. */
async function damage(file: string): Promise<void> {
  await using handle = await open(file, 'r+');
  const { size } = await handle.stat();
  await handle.write(Buffer.alloc(size - 8_192, 0x5a), 0, size - 8_192, 8_192);
}

test('a bundle of a server has no secret of its home, and no name of its machines', async () => {
  const file = join(await freshFolder(), 'bundle.json');
  await doctor(network.serverHome, '--bundle', file);
  const bundle = await readFile(file, 'utf8');
  const secrets = await Promise.all(
    ['key.pem', 'network-key.pem'].map((name) => readFile(join(network.serverHome, name), 'utf8')),
  );
  const invite = await network.invite();

  for (const secret of [...secrets.flatMap((pem) => pem.split('\n')), invite, network.server.identity.id]) {
    if (secret.length < 16) continue;
    for (let at = 0; at + 16 <= secret.length; at += 8)
      expect(bundle).not.toContain(secret.slice(at, at + 16));
  }
  expect(bundle).not.toContain('anna');
});

test('a PostgreSQL that does not answer is named, with a command that tries it', async () => {
  const home = await freshFolder();
  const port = await freePort();
  const store = `postgres://filer@127.0.0.1:${port}/filer`;
  await writeFile(join(home, 'config.toml'), `store = "${store}"\n`);
  const file = join(await freshFolder(), 'bundle.json');
  const { code, of } = await doctor(home, '--bundle', file);

  expect(of('database')).toMatchObject({ state: 'failed' });
  expect(String(of('database')['remedy'])).toContain(`psql ${store} `);
  expect(String(of('database')['remedy'])).not.toContain('backup');
  expect(code).toBe(1);
  expect(await readFile(file, 'utf8')).not.toContain(`${port}/filer`);
});

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-08-01T00:00:00Z');

test.each([
  [15.5, 'ok'],
  [14, 'ok'],
  [13.5, 'warning'],
  [0.5, 'warning'],
  [-0.5, 'failed'],
])('a certificate with %d days left is %s', (days, state) => {
  const endsAt = new Date(NOW + days * DAY_MS).toISOString();

  expect(checkCertificate({ endsAt, problem: null }, NOW)).toMatchObject({
    state,
    facts: { daysLeft: Math.floor(days) },
  });
});

test('the newest backup counts: a file, a folder of them, none, and one that is missing', async () => {
  const folder = await freshFolder();
  const settings = { backup: folder, backupMaxAgeMs: 7 * DAY_MS };
  expect(checkBackup(settings, NOW)).toMatchObject({ state: 'failed' });
  await mkdir(join(folder, 'old'));
  await writeFile(join(folder, 'new.tgz'), 'x');
  await utimes(join(folder, 'old'), new Date(NOW), new Date(NOW - 30 * DAY_MS));
  await utimes(join(folder, 'new.tgz'), new Date(NOW), new Date(NOW - 6 * DAY_MS));

  expect(checkBackup(settings, NOW)).toMatchObject({ state: 'ok', facts: { ageMs: 6 * DAY_MS } });
  expect(checkBackup(settings, NOW + 2 * DAY_MS)).toMatchObject({ state: 'failed' });
  expect(checkBackup({ ...settings, backup: join(folder, 'old') }, NOW)).toMatchObject({ state: 'failed' });
  expect(checkBackup({ ...settings, backup: join(folder, 'nothing') }, NOW)).toMatchObject({
    state: 'failed',
  });
  expect(checkBackup({ ...settings, backup: undefined }, NOW)).toMatchObject({ state: 'warning' });
});

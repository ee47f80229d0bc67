import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHere, runInTerminal } from '../support/in-process.ts';
import { freshFolder } from '../support/ip-server.ts';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';

/** A busy machine is slow, which is a warning. */
const WORKING_DISK = { state: expect.stringMatching(/^(?:ok|warning)$/) as string };

let network: NetworkHere;
let alice: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
  bob = await network.add('bob');
  await alice.sees('bob');
});

afterAll(() => network[Symbol.asyncDispose]());

/** Runs it. @returns its document, and each check by its name */
async function doctor(
  home: string,
  ...args: string[]
): Promise<{ readonly document: Line; readonly code: number | null; readonly of: (check: string) => Line }> {
  const outcome = await runHere('filer-client', home, ['doctor', ...args, '--json']);
  const [document = {}] = jsonLines(outcome);
  const checks = (document['checks'] ?? []) as Line[];
  return { document, code: outcome.code, of: (name) => checks.find(({ check }) => check === name) ?? {} };
}

test('a machine whose daemon runs, and the way to a peer, are well', async () => {
  const { document, code, of } = await doctor(alice.home, 'bob');

  expect(document).toMatchObject({ ok: true, exitCode: 0, version: '0.0.0' });
  expect(code).toBe(0);
  for (const check of ['membership', 'identity', 'daemon', 'server', 'clock', 'spool'])
    expect(of(check)).toMatchObject({ state: 'ok', remedy: null });
  for (const check of ['home', 'inbox']) expect(of(check)).toMatchObject(WORKING_DISK);
  expect(of('server')['facts']).toMatchObject({
    address: `127.0.0.1:${network.port}`,
    id: network.server.identity.id,
  });
  expect(of('reachable')).toMatchObject({
    state: 'ok',
    facts: { address: alice.daemon.listen, reached: true },
  });
  expect(of('peer')).toMatchObject({
    state: 'ok',
    facts: { name: 'bob', id: bob.daemon.id, via: 'direct', address: bob.daemon.listen },
  });
  const { upBytesPerSecond, downBytesPerSecond } = of('throughput')['facts'] as Line;
  for (const rate of [upBytesPerSecond, downBytesPerSecond])
    expect(rate === null || Number(rate) > 0).toBe(true); // null: a busy machine sent a single piece
});

test('a second look within a minute leaves out that the server dials back, and fails for nothing', async () => {
  await doctor(bob.home);
  const { code, of } = await doctor(bob.home);

  expect(of('reachable')).toMatchObject({ state: 'skipped' });
  expect(code).toBe(0);
});

test('people see what failed, and below it what to type', async () => {
  const home = network.home('idle');
  await network.join('idle');
  const { stdout, code } = await runHere('filer-client', home, ['doctor']);

  expect(stdout).toMatch(/^FAIL {2}daemon .*\n {6}→ .*filer-client start/m);
  expect(stdout).toMatch(/^ok {4}server /m);
  expect(stdout).toMatch(/1 failed\n$/);
  expect(code).toBe(1);
});

test('at 80, 60 and 40 columns no line is wider than the terminal, and no word is cut', async () => {
  for (const columns of [80, 60, 40]) {
    const { lines } = await runInTerminal('filer-client', network.home('idle'), ['doctor'], columns);
    const shown = lines.join(' ').replaceAll(/\s+/g, ' ');

    expect(lines.filter((line) => line.trimEnd().length > columns)).toEqual([]);
    expect(shown).toContain('→ `filer-client start`, or `filer-client service install` to start it');
  }
});

test('a peer that is off fails for itself, and the rest is well', async () => {
  await network.join('off');
  const off = await network.start(network.home('off'));
  await off.connected();
  await alice.sees('off');
  await off[Symbol.asyncDispose]();
  const { code, of } = await doctor(alice.home, 'off');

  expect(of('peer')).toMatchObject({ state: 'failed', facts: { code: 'peer-unreachable' } });
  expect(of('server')).toMatchObject({ state: 'ok' });
  expect(code).toBe(1);
});

test('a peer that does not exist is exit 4', async () => {
  const { document, code } = await doctor(alice.home, 'nobody');

  expect(document).toMatchObject({ type: 'error', code: 'no-such-peer' });
  expect(code).toBe(4);
});

test('a server that is off, and one that is another one, are told apart', async () => {
  await using own = await NetworkHere.open();
  await own.join('carol');
  await own.stopServer();
  const away = await doctor(own.home('carol'));
  await own.startServer(own.home('another-server'));
  const other = await doctor(own.home('carol'));

  expect(away.of('server')).toMatchObject({ state: 'failed', facts: { code: 'server-unreachable' } });
  expect(other.of('server')).toMatchObject({ state: 'failed', facts: { code: 'identity-mismatch' } });
  expect(String(other.of('server')['remedy'])).toContain('filer-client server HOST:PORT');
});

test('a machine that has not joined is told how to join, with exit 3', async () => {
  const home = await freshFolder();
  const { code, of } = await doctor(home);

  expect(of('identity')).toMatchObject({ state: 'failed', facts: { code: 'not-joined' } });
  expect(String(of('identity')['remedy'])).toContain('filer-client join -');
  expect(code).toBe(3);
});

test('before a machine joins, the folder of its home is not missing: its disk is looked at', async () => {
  const { of } = await doctor(join(await freshFolder(), 'filer', 'home'));

  expect(of('home')).toMatchObject(WORKING_DISK);
});

test('a damaged key is told once', async () => {
  await network.join('spoilt');
  await writeFile(join(network.home('spoilt'), 'key.pem'), 'no key');
  const { code, of } = await doctor(network.home('spoilt'));

  expect(of('identity')).toMatchObject({ state: 'failed' });
  expect(of('store')).toEqual({});
  expect(code).toBe(1);
});

test('a home whose database is damaged is looked at all the same', async () => {
  const home = network.home('damaged');
  await network.join('damaged');
  await writeFile(join(home, 'filer.db'), 'no database'.repeat(1_000));
  const { code, of } = await doctor(home);

  expect(of('store')).toMatchObject({ state: 'failed', facts: { code: 'store-damaged' } });
  // No other check fails that could say more.
  expect(of('store')['remedy']).toContain('backup');
  expect(of('home')).toMatchObject(WORKING_DISK);
  expect(code).toBe(1);
});

test('settings that are wrong are each named, also where a daemon runs with older ones, and the bundle is written', async () => {
  const config = join(network.home('idle'), 'config.toml');
  await writeFile(config, `keep-free = "hunter2"\nmax-files = "many"\ninbox = "${network.folder}/in here"\n`);
  const file = join(await freshFolder(), 'bundle.json');
  const idle = await doctor(network.home('idle'), '--bundle', file);
  await writeFile(join(alice.home, 'config.toml'), 'listen = [\n');
  const running = await doctor(alice.home);
  await rm(join(alice.home, 'config.toml'));
  await rm(config);

  const wrong = (idle.document['checks'] as Line[]).filter(({ check }) => check === 'configuration');
  expect(wrong.map(({ summary }) => String(summary).split(' ')[0])).toEqual(['max-files', 'keep-free']);
  expect(idle.of('inbox')['facts']).toMatchObject({ folder: network.folder });
  expect(idle.of('server')).toMatchObject({ state: 'ok' });
  expect(idle.code).toBe(1);
  expect(running.of('configuration')).toMatchObject({
    state: 'failed',
    facts: { code: 'configuration-invalid' },
  });
  expect(running.of('daemon')).toMatchObject({ state: 'ok' });
  const bundle = await readFile(file, 'utf8');
  expect(bundle).toContain('max-files');
  expect(bundle).not.toMatch(/hunter2|idle|in here/);
  expect(bundle).not.toContain(network.folder);
});

test.skipIf(needs.root())('a home on a read-only disk, and a full inbox, are named', async () => {
  const home = network.home('small');
  await mkdir(home, { recursive: true });
  await using _disk = await tmpfs(home, '64m');
  await network.join('small');
  await run('mount', ['-o', 'remount,ro', home]);
  const readOnly = await doctor(home);
  const inbox = await freshFolder();
  await using _inbox = await tmpfs(inbox, '8m');
  const args = ['doctor', '--json'];
  const full = await runHere('filer-client', alice.home, args, '', false, { FILER_INBOX: inbox });
  await network.join('roomy');
  const env = { FILER_INBOX: inbox };
  const roomy = await runHere('filer-client', network.home('roomy'), args, '', false, env);

  expect(readOnly.of('home')).toMatchObject({ state: 'failed', facts: { code: 'EROFS' } });
  expect(readOnly.code).toBe(1);
  expect(full.code).toBe(0); // its daemon has another inbox
  const checks = jsonLines(roomy)[0]?.['checks'] as Line[];
  expect(checks.find(({ check }) => check === 'inbox')).toMatchObject({
    state: 'failed',
    facts: { folder: inbox },
  });
});

const run = promisify(execFile);

async function tmpfs(folder: string, size: string): Promise<AsyncDisposable> {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  return { [Symbol.asyncDispose]: async () => void (await run('umount', ['-l', folder])) };
}

test('a bundle has what was found, and no secret and no name of this network', async () => {
  await runHere('filer-client', alice.home, ['report', 'colour=ultramarine', '--title', 'paint']);
  await runHere('filer-client', alice.home, ['message', 'bob', 'the words of a message']);
  const file = join(await freshFolder(), 'bundle.json');
  const { document } = await doctor(alice.home, '--bundle', file);
  const again = await runHere('filer-client', alice.home, ['doctor', '--bundle', file]);
  expect(again.stdout).toBe(''); // refused before it looks
  const bundle = await readFile(file, 'utf8');
  const key = await readFile(join(alice.home, 'key.pem'), 'utf8');
  const membership = JSON.parse(await readFile(join(alice.home, 'membership.json'), 'utf8')) as unknown;

  expect((JSON.parse(bundle) as { checks: unknown[] }).checks).toHaveLength(
    (document['checks'] as unknown[]).length,
  );
  const secrets = [...key.split('\n'), ...textsOf(membership)].filter((text) => text.length > 15);
  expect(secrets.length).toBeGreaterThan(5);
  for (const secret of [...secrets, 'ultramarine', 'words of a message', alice.daemon.id, bob.daemon.id])
    for (let at = 0; at + 16 <= Math.max(16, secret.length); at += 8)
      expect(bundle).not.toContain(secret.slice(at, at + 16));
  expect(bundle).not.toMatch(/alice|bob/);
  expect(again.code).toBe(6);
});

/** Every text in a JSON value. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}

import { mkdir, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { localTime, resolveHome } from '@filer/program';
import { STAGE_PREFIX } from '@filer/transfer';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { RUNNING } from '../../../apps/filer-client/src/receive/stage/switching.ts';
import { EvilPeer } from '../../support/evil-peer.ts';
import { askHere, runInTerminal } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';
import { filesBelow, listOf } from '../../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
/** Another one for each test. */
let build: string;
let tests = 0;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  await bob.sees('anna');
});
beforeEach(async () => {
  build = join(network.folder, 'files', `build${++tests}`);
  await mkdir(join(build, 'sub'), { recursive: true });
  await put({ a: 'one', 'sub/b': 'old', 'sub/gone': 'gone soon' });
});
afterAll(() => network[Symbol.asyncDispose]());

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) await writeFile(join(build, path), text);
}

/** Below the folder that bob has for anna. */
function at(...path: string[]): string {
  return join(bob.home, 'inbox', 'anna', ...path);
}

function name(): string {
  return `build${tests}`;
}

async function stage(...more: string[]): Promise<string> {
  return String((await anna.ask('send', build, '--to', 'bob', '--stage', ...more))['job']);
}

/** What is under the name at bob. */
async function there(): Promise<Record<string, string>> {
  const paths = await filesBelow(at(name()));
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, await readFile(at(name(), path), 'utf8')] as const)),
  );
}

async function stagedOf(job: string): Promise<Line> {
  const lines = await askHere('filer-client', anna.home, ['history', job]);
  return listOf(lines[0] ?? {}, 'recipients')[0]?.['stage'] as Line;
}

/** Paths of files that came, and were not removed. */
function listed(inbox: Line): unknown[] {
  return listOf(inbox, 'items')
    .filter(({ state }) => state === 'received')
    .map(({ path }) => path);
}

test('what is staged has no name until it is released, and the recipient signs for both', async () => {
  const job = await stage();

  expect(await there()).toEqual({});
  expect((await filesBelow(at())).some((path) => path.startsWith(STAGE_PREFIX))).toBe(true);
  expect(listOf(await bob.ask('inbox'), 'deliveries')).not.toContainEqual(expect.objectContaining({ job }));
  expect(await stagedOf(job)).toMatchObject({ state: 'staged', files: 3, bytes: 15, hook: null });

  const done = await anna.ask('release', job);

  expect(done).toMatchObject({ ok: true, state: 'done', recipients: [{ name: 'bob', state: 'released' }] });
  expect(await there()).toEqual({ a: 'one', 'sub/b': 'old', 'sub/gone': 'gone soon' });
  expect(await stagedOf(job)).toMatchObject({ state: 'released', files: 3 });
  expect(listOf(await bob.ask('inbox'), 'deliveries')).toContainEqual(
    expect.objectContaining({ job, path: at(name()), files: 3 }),
  );
  expect((await anna.run('verify', job, '--ask')).code).toBe(0);
});

test('a second version takes the name whole, and a rollback gives it back to the first', async () => {
  await anna.ask('release', await stage());
  await rm(join(build, 'sub/gone'));
  await put({ 'sub/b': 'new', c: 'added' });
  const second = await stage('--mirror');
  expect(await there()).toMatchObject({ 'sub/b': 'old', 'sub/gone': 'gone soon' });

  await anna.ask('release', second);

  expect(await there()).toEqual({ a: 'one', 'sub/b': 'new', c: 'added' });
  expect(await stagedOf(second)).toMatchObject({ state: 'released', removed: 1 });
  expect(listed(await bob.ask('inbox'))).not.toContain(at(name(), 'sub/gone'));

  expect(await anna.ask('rollback', second)).toMatchObject({
    ok: true,
    recipients: [{ state: 'rolled-back' }],
  });

  expect(await there()).toEqual({ a: 'one', 'sub/b': 'old', 'sub/gone': 'gone soon' });
  expect(listed(await bob.ask('inbox'))).toContain(at(name(), 'sub/gone'));
  // What was rolled back to is the sender's as before: it replaces that with what it sends next.
  await put({ 'sub/b': 'newer' });
  await anna.ask('send', build, '--to', 'bob');
  expect(await there()).toMatchObject({ 'sub/b': 'newer', c: 'added' });
});

test('what others have put into a released folder stays there, through a release and a rollback', async () => {
  await anna.ask('release', await stage());
  await writeFile(at(name(), 'own.txt'), 'bob wrote it');
  await put({ a: 'two' });
  const second = await stage('--mirror');
  await anna.ask('release', second);
  expect(await there()).toMatchObject({ a: 'two', 'own.txt': 'bob wrote it' });
  await writeFile(at(name(), 'later.txt'), 'bob wrote that too');

  await anna.ask('rollback', second);

  expect(await there()).toMatchObject({
    a: 'one',
    'own.txt': 'bob wrote it',
    'later.txt': 'bob wrote that too',
  });
});

test('what has changed there since it was delivered is not replaced, with --on-conflict overwrite neither', async () => {
  await anna.ask('release', await stage());
  await writeFile(at(name(), 'a'), 'bob has edited it');
  await put({ a: 'two' });
  for (const more of [[], ['--on-conflict', 'overwrite']]) {
    const refused = await anna.run('release', await stage(...more), '--json');
    expect(refused.code).toBe(6);
    expect(refused.stdout).toMatch(/"code":"refused".*\\"build\d+\/a\\"/);
    expect(await there()).toMatchObject({ a: 'bob has edited it', 'sub/b': 'old' });
  }

  await rm(at(name(), 'a'));
  await anna.ask('release', await stage());
  expect(await there()).toMatchObject({ a: 'two' });
});

test('with --on-conflict overwrite a file that was only touched there is replaced, and one of others never', async () => {
  await mkdir(at(name()), { recursive: true });
  await writeFile(at(name(), 'a'), 'one');
  const job = await stage('--on-conflict', 'overwrite');
  expect((await anna.run('release', job)).code).toBe(6);
  await rm(at(name(), 'a'));
  await anna.ask('release', job);
  await utimes(at(name(), 'a'), 1, 1);
  await put({ a: 'two' });
  expect((await anna.run('release', await stage())).code).toBe(6);
  await anna.ask('release', await stage('--on-conflict', 'overwrite'));
  expect(await there()).toMatchObject({ a: 'two' });
});

test('of two releases over one name the newer is rolled back first, and --keep says how far back it goes', async () => {
  const first = await stage();
  await anna.ask('release', first);
  const jobs: string[] = [];
  for (const text of ['two', 'three']) {
    await put({ a: text });
    jobs.push(await stage());
    await anna.ask('release', jobs.at(-1) ?? '', '--keep', '2');
  }
  const [second = '', third = ''] = jobs;
  expect((await anna.run('rollback', second)).stderr + (await anna.run('rollback', second)).stdout).toContain(
    third,
  );
  const again = await anna.run('release', second, '--json');
  expect([again.code, again.stdout]).toEqual([6, expect.stringContaining(third)]);
  expect(await there()).toMatchObject({ a: 'three' });
  await anna.ask('rollback', third);
  await anna.ask('rollback', second);
  expect(await there()).toMatchObject({ a: 'one' });
  expect((await anna.run('rollback', first)).code).not.toBe(0);
  expect(await anna.ask('release', third)).toMatchObject({ ok: true });
  expect(await there()).toMatchObject({ a: 'three' });
});

test('a file, a link and a folder below --into are released in one go each', async () => {
  await symlink('a', join(build, 'link'));
  await anna.ask('release', await stage('--into', 'deep/er'));
  expect(await readlink(at('deep/er', name(), 'link'))).toBe('a');
  const file = join(build, 'a');
  const sent = await anna.ask('send', file, '--to', 'bob', '--stage', '--as', `f${tests}`);
  await anna.ask('release', String(sent['job']));
  expect(await readFile(at(`f${tests}`), 'utf8')).toBe('one');
});

test('a machine with an older filer-client is named, and nothing is sent to it', async () => {
  const dave = await network.add('dave');
  await anna.sees('dave');
  await dave[Symbol.asyncDispose]();
  const offers: unknown[] = [];
  // It welcomes without the feature.
  await using older = await EvilPeer.open(dave.home, dave.port);
  older.does = async ({ hand }) => void offers.push(await hand.hear('offer'));

  const { code, stderr } = await anna.run('send', build, '--stage', '--to', 'dave');

  expect([code, stderr]).toEqual([1, expect.stringMatching(/dave has an older filer-client.*--stage/)]);
  expect(offers).toEqual([undefined]);
});

test('what is staged is followed by how it gets its names', async () => {
  const args = ['send', build, '--to', 'bob', '--stage'];
  const { lines, words } = await runInTerminal('filer-client', anna.home, args, 80);
  expect(lines.join('\n')).toContain(`anna/${name()}/ staged`);
  expect(words.join('\n')).toMatch(/filer-client release \w{16}/);
});

test('a program that was to run when the daemon ended, and is not set any more, has failed', async () => {
  const job = await stage();
  await anna.ask('release', job);
  await bob[Symbol.asyncDispose]();
  const member = await Member.open(resolveHome('filer-client', { FILER_HOME: bob.home }));
  const kept = member.stages.find(anna.daemon.id, job);
  expect(kept?.hook).toBeUndefined();
  if (kept !== undefined) member.stages.hookEnded(kept, RUNNING);
  member[Symbol.dispose]();
  bob = await (await network.start(bob.home)).connected();
  await anna.sees('bob');

  const { code, stdout } = await anna.run('release', job);

  expect([code, stdout]).toEqual([8, expect.stringContaining('on-received is not set')]);
  expect(await stagedOf(job)).toMatchObject({ state: 'released', hook: { state: 'failed', exitCode: null } });
});

test('a release that is planned is shown, taken back by --withdraw, and a part of it is not released before', async () => {
  const job = await stage();
  const at = new Date(Date.now() + 86_400_000).toISOString();
  expect(await anna.ask('release', job, '--at', at)).toMatchObject({ state: 'planned', at });
  const shown = (await anna.run('history', job)).stdout;
  expect(shown).toContain(`release planned for ${localTime(at)}`);
  expect(shown).toMatch(/^bob got /m); // it does not have it under its name
  expect((await anna.run('history')).stdout).toMatch(new RegExp(`^${job} .*, release planned$`, 'm'));
  expect((await anna.run('release', job, '--withdraw', '--wave', '1')).code).toBe(2);
  expect((await anna.run('rollback', job, '--withdraw')).code).toBe(2);

  const withdrawn = await anna.run('release', job, '--withdraw');

  expect([withdrawn.code, withdrawn.stdout]).toEqual([0, expect.stringMatching(/bob.*staged/)]);
  expect((await anna.run('history', job)).stdout).toContain('withdrawn');
  expect((await anna.run('release', job, '--withdraw')).code).toBe(2);
  expect(await there()).toEqual({});
  expect(await anna.ask('release', job)).toMatchObject({ ok: true, state: 'done' });
});

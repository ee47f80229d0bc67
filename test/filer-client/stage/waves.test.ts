import { execFileSync } from 'node:child_process';
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError } from '@filer/protocol';
import { resolveHome } from '@filer/program';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { parseWaves } from '../../../apps/filer-client/src/send/waves.ts';
import { askHere, until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';
import { listOf } from '../../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
/** In the order in which they are released. */
const others = ['bob', 'carol', 'dave'];
const clients = new Map<string, ClientHere>();
let build: string;
let tests = 0;

/** A program that says what it was told, waits for a line of a pipe `hold` where there is one, and fails where there is a file `fail`. */
const HOOK = `#!/bin/sh
echo "$FILER_STEP of $FILER_FILES files for $FILER_FROM"
test ! -p "$FILER_HOME/hold" || read -r _ <"$FILER_HOME/hold"
test ! -e "$FILER_HOME/fail"
`;

beforeAll(async () => {
  network = await NetworkHere.open();
  const hook = join(network.folder, 'hook.sh');
  await writeFile(hook, HOOK);
  await chmod(hook, 0o755);
  anna = await network.add('anna');
  for (const name of others) {
    await network.join(name);
    await writeFile(join(network.home(name), 'config.toml'), `on-received = ["${hook}"]\n`);
    await begin(name);
  }
});
beforeEach(async () => {
  build = join(network.folder, 'files', `build${++tests}`);
  await mkdir(build, { recursive: true });
  await put('one');
});
afterAll(() => network[Symbol.asyncDispose]());

async function begin(name: string): Promise<void> {
  clients.set(name, await (await network.start(network.home(name))).connected());
  await anna.sees(name);
}

async function put(text: string): Promise<void> {
  await writeFile(join(build, 'a'), text);
}

async function stage(...more: string[]): Promise<string> {
  return String((await anna.ask('send', build, '--to', '@all', '--stage', ...more))['job']);
}

async function stagesOf(job: string): Promise<Record<string, Line | undefined>> {
  const [line = {}] = await askHere('filer-client', anna.home, ['history', job]);
  return Object.fromEntries(
    listOf(line, 'recipients').map((each) => [String(each['name']), each['stage'] as Line]),
  );
}

async function textAt(name: string): Promise<string | undefined> {
  const file = join(network.home(name), 'inbox', 'anna', `build${tests}`, 'a');
  return await readFile(file, 'utf8').catch(() => undefined);
}

test('each machine runs its program for a release and for a rollback, and the history keeps how it ended', async () => {
  const job = await stage();

  expect(await anna.ask('release', job)).toMatchObject({ ok: true, state: 'done', exitCode: 0 });

  for (const name of others) {
    expect(await textAt(name)).toBe('one');
    const hook = { state: 'done', exitCode: 0, line: 'release of 1 files for anna' };
    expect((await stagesOf(job))[name]).toMatchObject({ state: 'released', hook, wanted: null });
  }
  await anna.ask('rollback', job, '--to', 'bob');
  expect((await stagesOf(job))['bob']).toMatchObject({
    state: 'rolled-back',
    hook: { state: 'done', exitCode: 0, line: 'rollback of 1 files for anna' },
  });
  expect([await textAt('bob'), await textAt('carol')]).toEqual([undefined, 'one']);
  expect((await anna.run('history', job)).stdout).toMatch(
    /bob +released .*exit 0 +release of 1 files for anna\nbob +rolled-back .*exit 0 +rollback of 1 files for anna/,
  );
});

test('a rollback that comes while the program of the release runs has its own run after that', async () => {
  const job = await stage();
  const hold = join(network.home('bob'), 'hold');
  execFileSync('mkfifo', [hold]);
  const release = anna.run('release', job, '--to', 'bob');
  await until(
    async () => (await stagesOf(job))['bob'],
    (bob) => bob?.['state'] === 'released',
  );
  const rollback = anna.ask('rollback', job, '--to', 'bob');
  await until(
    () => textAt('bob'),
    (text) => text === undefined,
  );
  const pipe = await open(hold, 'w'); // the program of the release reads it
  await rm(hold);

  await pipe.write('go\n');
  await pipe.close();

  expect((await release).code).not.toBe(0);
  expect(await rollback).toMatchObject({ ok: true });
  const hook = { state: 'done', exitCode: 0, line: 'rollback of 1 files for anna' };
  expect((await stagesOf(job))['bob']).toMatchObject({ state: 'rolled-back', hook });
});

test('a wave in which a program fails stops the release: later machines stay as they were', async () => {
  await anna.ask('release', await stage());
  await put('two');
  const job = await stage();
  const fail = join(network.home('carol'), 'fail');
  await writeFile(fail, '');

  const { code, stdout, stderr } = await anna.run('release', job, '--wave', '1,50%,all');

  expect(code).toBe(8);
  expect(stdout).toMatch(/carol +2 +released +exit 1/);
  expect(stderr).toContain('carol');
  expect([await textAt('bob'), await textAt('carol'), await textAt('dave')]).toEqual(['two', 'two', 'one']);
  expect(await stagesOf(job)).toMatchObject({
    bob: { state: 'released' },
    carol: { state: 'released', hook: { state: 'failed', exitCode: 1 } },
    dave: { state: 'staged', wanted: null },
  });
  await rm(fail);
  expect(await anna.ask('release', job, '--to', 'carol')).toMatchObject({ ok: true });
  expect((await stagesOf(job))['carol']).toMatchObject({ hook: { state: 'done', exitCode: 0 } });
  expect(await anna.ask('rollback', job)).toMatchObject({ ok: true });
  expect([await textAt('bob'), await textAt('carol'), await textAt('dave')]).toEqual(['one', 'one', 'one']);
});

test('a machine that is off when it is released gets it when it comes', async () => {
  await clients.get('dave')?.[Symbol.asyncDispose]();
  await anna.sees('dave', ({ online }) => online === false);
  const job = await stage('--queue');
  const done = await anna.ask('release', job);
  expect(done).toMatchObject({ ok: true, state: 'waiting' });
  expect(await textAt('bob')).toBe('one');
  expect((await stagesOf(job))['dave']).toMatchObject({ state: 'waiting', wanted: 'release' });

  await begin('dave');

  const stages = await until(
    () => stagesOf(job),
    ({ dave }) => dave?.['state'] === 'released' && dave['wanted'] === null,
  );
  expect(stages['dave']).toMatchObject({ hook: { state: 'done' } });
  expect(await textAt('dave')).toBe('one');
});

test('a sender that stops between two waves continues when its daemon starts', async () => {
  const job = await stage();
  const command = anna.run('release', job, '--wave', '1,all', '--pause', '1h');
  await until(
    () => stagesOf(job),
    ({ bob }) => bob?.['state'] === 'released',
  );
  expect(await textAt('carol')).toBeUndefined();
  await anna[Symbol.asyncDispose]();
  await command;
  const home = await Member.open(resolveHome('filer-client', { FILER_HOME: anna.home }));
  home.database.exec('UPDATE job_rollouts SET due_at = 0, pause_ms = 0'); // the hour is over
  home[Symbol.dispose]();
  anna = await (await network.start(anna.home)).connected();

  await until(
    () => stagesOf(job),
    (stages) => others.every((name) => stages[name]?.['state'] === 'released'),
  );
  expect(await textAt('dave')).toBe('one');
});

test('what cannot be released says why: another kind of job, no recipient, a time that is over', async () => {
  const plain = String((await anna.ask('send', build, '--to', 'bob'))['job']);
  expect((await anna.run('release', plain)).code).toBe(2);
  const job = String(
    (await anna.ask('send', build, '--to', 'bob', '--stage', '--on-conflict', 'overwrite'))['job'],
  );
  expect((await anna.run('release', job, '--to', 'carol')).stderr).toContain('bob');
  expect((await anna.run('release', job, '--at', '2020-01-01T00:00')).code).toBe(2);
  expect((await anna.run('rollback', job)).code).toBe(2);
  expect((await anna.run('release', job, '--wave', '0')).code).toBe(2);
  expect(await anna.ask('release', job, '--at', '23:59')).toMatchObject({ state: 'planned', ok: true });
});

test.each([
  [[], 10, [10]],
  [['1', '10%', 'all'], 30, [1, 3, 30]],
  [['1', '10%', 'all'], 5, [1, 5]],
  [['5'], 3, [3]],
  [['50%'], 3, [2]],
])('waves %j of %i machines end after %j', (typed, machines, ends) => {
  expect(parseWaves(typed, machines)).toEqual(ends);
});

test.each([['x'], ['0'], ['-1'], ['101%'], ['1.5'], ['all', '1'], ['1e3']])(
  '%j is no list of waves',
  (...typed) => {
    expect(() => parseWaves(typed, 10)).toThrow(FilerError);
  },
);

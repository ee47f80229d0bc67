import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { jsonLines, runningIn, type Line } from '../support/programs.ts';
import { filesBelow, TestNetwork } from '../support/test-network.ts';

const MB = 1_000_000;

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'carol'] });
  await network.join('bob');
});
afterEach(() => network.daemon('bob').stop());
afterAll(() => network.close());

/** Starts bob with a policy of his own; what he had is there still. */
async function bobWith(...policy: string[]): Promise<void> {
  await network.start('bob', ...policy);
  for (const sender of ['anna', 'carol']) await network.finds(sender, 'bob');
}

async function send(
  from: string,
  ...args: string[]
): Promise<{ code: number | null; done: Line; stderr: string }> {
  const outcome = await network.client(from, ['send', ...args, '--to', 'bob', '--json']);
  return { code: outcome.code, done: jsonLines(outcome).at(-1) ?? {}, stderr: outcome.stderr };
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await filesBelow(folder)).map(async (name) => (await stat(`${folder}/${name}`)).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test('two senders at once fill an inbox to its quota and no further, and a file that is too large is refused alone', async () => {
  await bobWith('--inbox-quota', '6MB', '--max-file-size', '2MB', '--max-files', '10');
  const files = await Promise.all([1, 2, 3, 4, 5].map((n) => network.file(`file-${n}`, MB)));
  const large = await network.file('large', 2 * MB + 1);

  const mixed = await send('anna', files[0] ?? '', large);
  expect(mixed).toMatchObject({ code: 8, done: { filesSent: 1, filesFailed: 1, bytesSent: MB } });
  expect(mixed.stderr).toContain('2000001 bytes are more than the 2000000');
  expect((await send('anna', large)).code).toBe(11);

  const [first, second] = await Promise.all([
    send('anna', ...files.slice(1)),
    send('carol', ...files.slice(0, 4)),
  ]);
  expect(await bytesIn(network.inbox('bob'))).toBeLessThanOrEqual(6 * MB);
  expect([first.code, second.code].filter((code) => code === 0).length).toBeLessThanOrEqual(1);
  expect((await send('carol', ...files.slice(0, 4), await network.file('more', 2 * MB))).code).not.toBe(0);
  expect(await bytesIn(network.inbox('bob'))).toBeLessThanOrEqual(6 * MB);
  const alone = await send('carol', await network.file('last', 2 * MB));
  expect(alone).toMatchObject({ code: 11, done: { bytesSent: 0 } });
  expect(alone.stderr).toContain('quota');
});

/** A program for bob that says on a file of its own what it was given; its last line is `then`. */
async function hook(name: string, then = ''): Promise<{ program: string; said: string }> {
  const [program, said] = [network.path(name), network.path(`${name}.said`)];
  const lines = ['#!/bin/sh', `{ pwd; env; cat; } > '${said}.part'`, `mv '${said}.part' '${said}'`, then];
  await writeFile(program, lines.join('\n'));
  await chmod(program, 0o755);
  return { program, said };
}

test('a hook is run for each transfer, with facts and no shell, and names of others are words to it', async () => {
  const { program, said } = await hook('files-came');
  await bobWith('--on-received', program, '--inbox-pattern', 'from/{peer}/{date}');
  const names = ['$(touch pwned)', ';touch pwned', '`touch pwned`', "'; touch pwned #\n"];
  const files = await Promise.all(names.map((name) => network.file(name, 10)));
  const before = new Date();

  const { done } = await send('anna', ...files, '--note', '$(touch pwned)');

  const bob = network.daemon('bob');
  await bob.said('on-received was run');
  const day = (at: Date): string =>
    [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((n) => String(n).padStart(2, '0')).join('-');
  const folders = [before, new Date()].map((at) => network.inbox('bob', 'from', 'anna', day(at)));
  const [cwd, ...lines] = (await readFile(said, 'utf8')).trimEnd().split('\n');
  expect(cwd).toBe(network.inbox('bob'));
  const variables = new Map(
    lines.map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  );
  expect(folders).toContain(variables.get('FILER_FOLDER'));
  expect(Object.fromEntries(variables)).toMatchObject({
    FILER_FROM: 'anna',
    FILER_FROM_ID: network.daemon('anna').id,
    FILER_JOB: done['job'],
    FILER_FILES: '4',
    FILER_BYTES: '40',
    FILER_NOTE: '$(touch pwned)',
  });
  expect(
    [...variables.keys()].filter((name) => name.startsWith('npm_') || name.startsWith('VITEST')),
  ).toEqual([]);
  const listed = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
  expect(listed.map(({ name }) => String(name)).toSorted()).toEqual(names.toSorted());
  expect(listed.map(({ path }) => path)).toContain(
    join(variables.get('FILER_FOLDER') ?? '', '$(touch pwned)'),
  );
  expect((await filesBelow(network.folder)).filter((name) => name.endsWith('/pwned'))).toEqual([]);

  // The same again brings nothing, and is no arrival.
  expect((await send('anna', ...files)).done).toMatchObject({ filesSkipped: 4 });
  await send('carol', files[0] ?? '');
  await bob.said('on-received was run', 2);
  expect(await readFile(said, 'utf8')).toContain('FILER_FROM=carol');
});

test('a hook that fails or hangs is told about in the log, and takes nothing back', async () => {
  const failing = await hook('failing', 'echo "no \\033[31mpaint"; exit 3');
  await bobWith('--on-received', failing.program);
  expect((await send('anna', await network.file('one', 10))).code).toBe(0);
  const bob = network.daemon('bob');
  await bob.said('on-received failed');
  expect(bob.stderr).toContain('it ended with exit 3');
  expect(bob.stderr).not.toContain('\u001B[31m');
  await bob.stop();

  const hanging = await hook('hanging', 'sleep 600 & sleep 600');
  await bobWith('--on-received', hanging.program, '--on-received-timeout', '1s');
  const daemons = await runningIn(network.folder);
  expect((await send('anna', await network.file('two', 10))).code).toBe(0);
  await network.daemon('bob').said('it took too long');
  await expect.poll(() => runningIn(network.folder)).toEqual(daemons); // what it started was ended with it
  expect(await filesBelow(network.inbox('bob', 'anna'))).toEqual(expect.arrayContaining(['one', 'two']));
});

test('a hook that the daemon ended with itself is run again after the next start', async () => {
  const slow = await hook('slow', 'exec sleep 600');
  await bobWith('--on-received', slow.program);
  await send('anna', await network.file('three', 10));
  await expect.poll(() => stat(slow.said)).toBeDefined();
  await network.daemon('bob').stop();
  expect(network.daemon('bob').stderr).toContain('is run again');

  const quick = await hook('quick');
  await network.start('bob', '--on-received', quick.program);

  await network.daemon('bob').said('on-received was run');
  expect(await readFile(quick.said, 'utf8')).toContain('"name":"three"');
});

test.each([
  [['--inbox-pattern', '../{peer}'], 2, '{peer}/{date}'],
  [['--inbox-pattern', '{peer}/{job}'], 2, '{peer}/{date}'],
  [['--inbox-quota', 'much'], 2, '--inbox-quota takes a size such as'],
  [['--accept', 'some'], 2, 'one of members, ask, none'],
  [['--inbox', '/proc/no/inbox'], 1, 'the inbox /proc/no/inbox cannot be used'],
  [['--on-received', '/nowhere/program'], 1, 'on-received cannot run /nowhere/program'],
])('start %j is refused, and says what would be right', async (args, exit, words) => {
  const { code, stderr } = await network.client('bob', ['start', '--listen', '127.0.0.1:0', ...args]);

  expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringContaining(words) });
});

test('while no daemon runs, status and inbox name the inbox of the configuration', async () => {
  await network.join('dora');
  const inbox = network.path('elsewhere');
  await writeFile(join(network.home('dora'), 'config.toml'), `inbox = ${JSON.stringify(inbox)}\n`);

  expect(await network.ask('dora', 'status')).toMatchObject([{ running: false, inbox }]);
  expect((await network.client('dora', ['inbox'])).stderr).toContain(`stored in ${inbox}`);
});

test('the configuration file lists a program with its arguments, and sets the rest as flags do', async () => {
  const { program, said } = await hook(
    'with-arguments',
    `echo "$@" >> '${network.path('with-arguments.said')}'`,
  );
  const config = join(network.home('bob'), 'config.toml');
  const kept = await readFile(config, 'utf8');
  expect(kept).toContain('#on-received = ["');
  await writeFile(
    config,
    `on-received = [${JSON.stringify(program)}, "--a b", "$HOME"]\ninbox-quota = "50GB"\n`,
  );
  await bobWith();
  await send('anna', await network.file('four', 10));
  await network.daemon('bob').said('on-received was run');
  await writeFile(config, kept);

  expect(await readFile(said, 'utf8')).toContain('--a b $HOME\n');
});

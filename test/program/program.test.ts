import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { commandOf, run } from './run.ts';
import { ended, firstWords, start } from './spawned.ts';

test.each([
  ['closes', 'SIGINT', 130],
  ['closes', 'SIGTERM', 143],
  ['throws-reason', 'SIGINT', 130],
  ['throws-reason', 'SIGTERM', 143],
] as const)('a command that %s on %s ends with exit code %i', async (name, signal, code) => {
  const child = start('command', name);
  await firstWords(child);
  const end = ended(child);
  child.kill(signal);
  const { stderr, ...how } = await end;
  expect(how).toEqual({ code, signal: null });
  expect(stderr).toBe(name === 'closes' ? 'closed in order\n' : `filer-client: stopped by ${signal}\n`);
});

test('a command that ignores the first Ctrl-C is ended by a later one', async () => {
  const child = start('command', 'ignores');
  await firstWords(child);
  const end = ended(child);
  const repeat = setInterval(() => child.kill('SIGINT'), 100);
  expect(await end).toMatchObject({ code: null, signal: 'SIGINT' });
  clearInterval(repeat);
});

test('what a command prints arrives to its last line, however late it is read', async () => {
  const child = start('command', 'prints-much');
  // Only now does anybody read: the pipe is full, and the command has nothing left to do.
  await once(child.stdout, 'readable');
  const lines = (await text(child.stdout)).split('\n');
  expect(lines).toHaveLength(20_001);
  expect(lines[19_999]).toMatch(/^line 19999 x{100}$/);
});

test('a command that is told to end does not wait for who does not read what it printed', async () => {
  const child = start('command', 'prints-much');
  await once(child.stdout, 'readable');
  const end = ended(child);
  child.kill('SIGTERM');
  expect(await end).toMatchObject({ code: 143, signal: null });
});

test('a command whose standard output is closed ends without a word', async () => {
  const child = start('command', 'prints');
  await firstWords(child);
  const end = ended(child);
  child.stdout.destroy();
  expect(await end).toEqual({ code: 141, signal: null, stderr: '' });
});

test('a command that outlives its output continues when standard output is closed', async () => {
  const child = start('command', 'serves');
  await firstWords(child);
  const end = ended(child);
  child.stdout.destroy();
  expect(await end).toEqual({ code: 0, signal: null, stderr: 'still here, not aborted\n' });
});

test('a fault in a listener ends the program with one line, and under --json with the error object', async () => {
  const child = start('command', 'listener-throws', '--json');
  const end = ended(child);
  const [line] = await once(child.stdout, 'data');
  expect(JSON.parse(String(line))).toMatchObject({ type: 'error', code: 'internal', exitCode: 1 });
  const { code, stderr } = await end;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^filer-client: a fault of this program: a listener broke; [^\n]+\n$/);
});

test('a program that is to outlive failures reports those of disks, databases and machines, and ends for a bug', async () => {
  const child = start('command', 'outlives-failures');
  const end = ended(child);
  const lines = (await text(child.stdout)).split('\n');

  expect(lines).toEqual([
    expect.stringContaining('reported: ENOENT'),
    expect.stringContaining('reported: unable to open database file'),
    'reported: no room',
    '',
  ]);
  expect(await end).toMatchObject({ code: 1, stderr: expect.stringContaining('a listener broke') });
});

test('an escape sequence in an error does not reach the terminal', async () => {
  const child = start('command', 'fails');
  const { code, stderr } = await ended(child);
  expect({ code, stderr }).toEqual({ code: 4, stderr: 'filer-client: there is no peer bob\\u{1b}[31m\n' });
});

test('a failure under --json ends standard output with the error object', async () => {
  const failing = commandOf('peers', {}, (_, { output }) => {
    output.json({ type: 'progress' });
    throw new FilerError('server-unreachable', 'the server does not answer');
  });
  const { exitCode, stdout, stderr } = await run([failing], ['peers', '--json']);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  ).toEqual([
    { type: 'progress' },
    { type: 'error', code: 'server-unreachable', message: 'the server does not answer', exitCode: 10 },
  ]);
  expect({ exitCode, stderr }).toEqual({
    exitCode: 10,
    stderr: 'filer-client: the server does not answer\n',
  });
});

test('a stack is printed only with --verbose, and then with what lay underneath', async () => {
  const failing = commandOf('peers', {}, () => {
    throw new FilerError('refused', 'no', { cause: new RangeError('underneath') });
  });
  expect((await run([failing], ['peers'])).stderr).toBe('filer-client: no\n');
  const { stderr } = await run([failing], ['peers', '--verbose']);
  expect(stderr).toContain('program.test.ts');
  expect(stderr).toContain('caused by: RangeError: underneath');
});

test('a system error that no one wrapped gets the code of what it means', async () => {
  const failing = commandOf('read', {}, async () => void (await readFile('/nowhere/at/all')));
  expect(await run([failing], ['read'])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("no such file or directory, open '/nowhere/at/all'"),
  });
});

test('an exit code that a command returns is the exit code', async () => {
  expect(await run([commandOf('send', {}, () => 8)], ['send'])).toMatchObject({ exitCode: 8, stderr: '' });
});

test('data is printed in the form that was asked for, words are silenced by --quiet', async () => {
  const both = commandOf('peers', {}, (_, { output }) => {
    output.line('bob');
    output.json({ name: 'bob\u202E' });
    output.words('one peer');
    output.hint('what to type next');
  });
  expect(await run([both], ['peers'])).toEqual({ exitCode: 0, stdout: 'bob\n', stderr: 'one peer\n' });
  expect(await run([both], ['peers', '--json', '-q'])).toEqual({
    exitCode: 0,
    stdout: '{"name":"bob\\u202e"}\n',
    stderr: '',
  });
});

test('help of the program, of a group and of a command goes to standard output with exit code 0', async () => {
  const commands = [commandOf('share add <dir>', {}, () => 0), commandOf('peers', {}, () => 0)];
  for (const argv of [['--help'], ['help'], ['-h', 'peers'], ['help', 'share'], ['share', 'add', '--help']]) {
    const { exitCode, stdout, stderr } = await run(commands, argv);
    expect({ argv, exitCode, stderr }).toEqual({ argv, exitCode: 0, stderr: '' });
    expect(stdout).toContain('Usage: filer-client');
  }
  expect((await run(commands, ['help', 'share'])).stdout).toContain('share add <dir>');
});

test('the version is printed alone', async () => {
  expect(await run([], ['--version'])).toEqual({ exitCode: 0, stdout: '1.2.3\n', stderr: '' });
});

test('a program whose files were replaced while it runs says so, and is not called faulty', async () => {
  const missing = new URL('gone.js', import.meta.url).href;
  const replaced = commandOf('replaced', {}, async () => void (await import(missing)));

  const { exitCode, stderr } = await run([replaced], ['replaced']);

  expect(exitCode).toBe(1);
  expect(stderr).toContain('start it again');
  expect(stderr).not.toContain('a fault of this program');
});

import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linesSaid, passedOn, runnableProgram, runToEnd, type ProgramEnd } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { codeOf } from '../protocol/outcome.ts';

interface Script {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly input?: Iterable<string>;
  readonly onOutput?: (text: string) => void;
}

/** Runs a program written in JavaScript. */
async function run(script: string, options: Script = {}): Promise<ProgramEnd & { readonly said: string }> {
  let said = '';
  const end = await runToEnd({
    command: [process.execPath, '-e', script],
    cwd: await realpath(tmpdir()),
    env: { ANSWER: '42' },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...options,
    onOutput: (text) => {
      said += text;
      options.onOutput?.(text);
    },
  });
  return { ...end, said };
}

test('a program gets its folder, its variables and its input, and both its outputs are heard', async () => {
  const script = `
    console.log(process.cwd(), Object.keys(process.env).filter((name) => name === name.toUpperCase()).join());
    process.stdin.on('data', (piece) => process.stderr.write(piece));`;
  const { said, exitCode, failure } = await run(script, { input: ['one\n', 'two\n'] });

  expect(said).toContain(`${await realpath(tmpdir())} ANSWER`);
  expect(said).toContain('one\ntwo\n');
  expect({ exitCode, failure }).toEqual({ exitCode: 0, failure: undefined });
});

test('a program that reads no input, however much there is, ends as it wants', async () => {
  const lines = Array.from({ length: 5_000 }, () => 'x'.repeat(1_000));
  const { exitCode, failure } = await run('process.exit(3)', { input: lines });

  expect({ exitCode, failure }).toEqual({ exitCode: 3, failure: 'it ended with exit 3' });
});

test('a program that takes too long is ended, with what it started', async () => {
  // The child of the program would hold its output open for an hour.
  const script = `
    require('node:child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3600000)'], { stdio: 'inherit' });
    console.log('started');`;
  const { timedOut, signal, failure, said } = await run(`${script} setTimeout(() => {}, 3600000)`, {
    timeoutMs: 500,
  });

  expect({ timedOut, signal, failure }).toEqual({
    timedOut: true,
    signal: 'SIGTERM',
    failure: 'it was ended by SIGTERM',
  });
  expect(said).toMatch(/^(started\n)?$/);
});

test('a program is ended by the signal of who runs it', async () => {
  const stop = new AbortController();
  const { signal, timedOut } = await run(`console.log('here'); setTimeout(() => {}, 3600000)`, {
    signal: stop.signal,
    onOutput: () => stop.abort(),
  });

  expect({ signal, timedOut }).toEqual({ signal: 'SIGTERM', timedOut: false });
});

test('a program that cannot be started says why', async () => {
  const end = await runToEnd({
    command: ['filer-no-such-program'],
    cwd: tmpdir(),
    env: { PATH: '/usr/bin' },
    timeoutMs: 1_000,
    signal: new AbortController().signal,
    onOutput: () => undefined,
  });

  expect(end).toMatchObject({ exitCode: null, signal: null, timedOut: false });
  expect(end.failure).toContain('ENOENT');
});

test('a path is looked at when it is set, a name is left to PATH', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'plain'), '');

  expect(runnableProgram('on-alarm', ['logger', '-t', 'x'])).toEqual(['logger', '-t', 'x']);
  expect(codeOf(() => runnableProgram('on-alarm', [join(folder, 'plain')]))).toBe('configuration-invalid');
  expect(runnableProgram('on-alarm', [process.execPath, '-v'])).toEqual([process.execPath, '-v']);
});

test('variables of everyday life are passed on, and those that are named', () => {
  const environment = { PATH: '/bin', HOME: '/root', SECRET: 'x', FILER_HOME: '/h', LANG: undefined };

  expect(passedOn(environment, 'FILER_HOME')).toEqual({ PATH: '/bin', HOME: '/root', FILER_HOME: '/h' });
});

test('a log takes 64 KiB of one program', () => {
  const lines: string[] = [];
  const say = linesSaid((line) => lines.push(line));
  say('one\n\ntwo\n');
  say('x'.repeat(70_000));
  say('never');

  expect(lines.map((line) => line.slice(0, 40))).toEqual([
    'one',
    'two',
    'x'.repeat(40),
    '(what else it says is not logged)',
  ]);
});

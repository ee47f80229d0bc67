import { execFile } from 'node:child_process';
import { mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { linesSaid, passedOn, runnableProgram, runToEnd, type ProgramEnd } from '@filer/program';
import { expect, onTestFinished, test, vi } from 'vitest';
import { codeOf } from '../protocol/outcome.ts';

interface Script {
  readonly cwd?: string;
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
    cwd: options.cwd ?? (await realpath(tmpdir())),
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

const IN_TURN = `for (let n = 0; n < 50; n++) require('node:fs').writeSync(1 + (n % 2), n + ' ');`;
const COUNTED = Array.from({ length: 50 }, (_, n) => `${n} `).join('');

test('what a program writes to its two outputs in turn is heard in that order', async () => {
  const { said, exitCode } = await run(IN_TURN);

  expect({ said, exitCode }).toEqual({ said: COUNTED, exitCode: 0 });
});

test('a program that opens its outputs by name may write to them', async () => {
  const { said, exitCode } = await run(
    `for (const name of ['/dev/stdout', '/dev/stderr']) require('node:fs').appendFileSync(name, name);`,
  );

  expect({ said, exitCode }).toEqual({ said: '/dev/stdout/dev/stderr', exitCode: 0 });
});

test('where no temporary file can be made, both outputs are still heard whole', async () => {
  vi.stubEnv('TMPDIR', '/nowhere/filer-test');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { said, exitCode } = await run(IN_TURN, { cwd: '/' });

  expect({ said: said.split(' ').toSorted(), exitCode }).toEqual({
    said: COUNTED.split(' ').toSorted(),
    exitCode: 0,
  });
});

test('a run leaves neither files nor descriptors', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  await run('1');
  const before = process.getActiveResourcesInfo().filter((name) => name.startsWith('Pipe'));
  await run('1');

  expect(await readdir(folder)).toEqual([]);
  expect(process.getActiveResourcesInfo().filter((name) => name.startsWith('Pipe'))).toEqual(before);
});

test.each(['without-descriptors', 'nul', 'too-long'])(
  'a run that cannot be begun (%s) is a result',
  async (how) => {
    const fixture = fileURLToPath(new URL('../fixtures/program/no-run.ts', import.meta.url));
    const { stdout } = await promisify(execFile)('/bin/sh', [
      ...['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, fixture, how],
    ]);

    expect(JSON.parse(stdout)).toEqual([
      { exitCode: null, signal: null, timedOut: false, durationMs: 0, failure: expect.any(String) },
      { exitCode: 0, signal: null, timedOut: false, durationMs: expect.any(Number) },
    ]);
  },
);

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

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProgram } from '@filer/program';
import { CalledName } from '../../packages/program/src/called-name.ts';
import { commands } from '../../apps/filer-client/src/cli/commands.ts';
import { until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { jsonLines, type Outcome } from '../support/programs.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
}, 60_000);
afterAll(() => network[Symbol.asyncDispose]());

/** Runs a command as the program `filer`, in a terminal. */
async function filer(home: string, ...args: string[]): Promise<Outcome> {
  const terminal = (): PassThrough => Object.assign(new PassThrough(), { isTTY: true, columns: 500 });
  const [stdout, stderr] = [terminal(), terminal()];
  const printed = Promise.all([text(stdout), text(stderr)]);
  const code = await runProgram({
    program: 'filer-client',
    calledAs: 'filer',
    wordless: 'overview',
    version: '0.0.0',
    summary: 'in the process of a test',
    commands,
    argv: args,
    env: { FILER_HOME: home },
    stdin: new PassThrough().end(),
    stdout,
    stderr,
  });
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, stdout: out, stderr: err };
}

test.each([
  [['history', 'zzzz'], /`filer history`/],
  [['watch', 'list'], /`filer watch add /],
  [['share', 'list'], /`filer share add /],
  [['watch', 'remove', 'none', '--yes'], /`filer watch list`/],
  [['inbox', '--from', 'zzzzzzzz'], /`filer peers`/],
  [['send', '/etc/hostname', 'bob:'], / {2}filer inbox/],
  [['status', '--help'], /^Usage: filer status/m],
  [['report', 'schedule', 'list'], /`filer report schedule add /],
  [['completion', 'bash'], /complete .* filer$/m],
])('under the name filer, %j names commands as they are typed', async (args, named) => {
  const { stdout, stderr } = await filer(anna.home, ...args);
  expect(stdout + stderr).toMatch(named);
  expect(stdout + stderr).not.toContain('filer-client');
});

test('--json is the same under each name', async () => {
  const outcome = await filer(anna.home, 'history', 'zzzz', '--json');
  expect(String(jsonLines(outcome).at(-1)?.['message'])).toContain('`filer-client history`');
  expect(outcome.stderr).toContain('`filer history`');
});

test('what is quoted keeps its words, in data and in sentences', () => {
  const name = new CalledName('filer-client', 'filer');
  const line = 'bob offers x "see `filer-client inbox`": `filer-client inbox accept x`';
  const shown = 'bob offers x "see `filer-client inbox`": `filer inbox accept x`';
  expect([name.inData(line), name.inWords(line)]).toEqual([shown, shown]);
  const said = 'bob says: "no" `filer-client leave` "or": `filer-client peers`';
  expect(name.inWords(said)).toBe('bob says: "no" `filer-client leave` "or": `filer peers`');
  expect(name.inWords('one " alone\n`filer-client peers` "')).toBe('one " alone\n`filer peers` "');
});

test('a note of another machine stays as it is', async () => {
  const file = join(network.folder, 'noted');
  await writeFile(file, 'x');
  await bob.ask('send', file, '--to', 'anna', '--note', 'type `filer-client status`');
  for (const form of [[], ['--files']]) {
    const { stdout } = await filer(anna.home, 'inbox', ...form);
    expect(stdout).toContain('`filer-client status`');
  }
});

test('on a machine that has not joined, filer names itself', async () => {
  const { stderr } = await filer(network.home('none'), 'peers');
  expect(stderr).toContain('`filer join -`');
  expect(stderr).not.toContain('filer-client');
});

test('what another machine wrote stays as it is', async () => {
  await network.askServer('broadcast', 'type `filer-client status` and tell me');
  await until(
    () => Promise.resolve(anna.events.some(({ type }) => type === 'message')),
    (came) => came,
  );
  const { stdout } = await filer(anna.home, 'messages');
  expect(stdout).toContain('`filer-client status`');
});

test.each([
  [['inbox', '--from', 'bbo']],
  [['inbox', 'accept', '--from', 'bbo']],
  [['messages', '--from', 'bbo']],
])('%j names no machine: exit 4 with the nearest name', async (args) => {
  const { code, stderr } = await anna.run(...args);
  expect(code).toBe(4);
  expect(stderr).toContain('did you mean bob?');
  expect((await anna.run(...args.with(-1, 'bob'))).code).not.toBe(4);
});

test('a usage error names a positional as help does', async () => {
  const { code, stderr } = await anna.run('send', '--to', 'bob');
  expect(code).toBe(2);
  expect(stderr).toContain('<paths..> is missing');
});

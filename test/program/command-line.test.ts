import { expect, test } from 'vitest';
import {
  ANY_TEXT,
  choiceKind,
  defaulted,
  DURATION,
  flag,
  list,
  optional,
  RATE,
  required,
  textKind,
} from '@filer/program';
import { commandOf, run } from './run.ts';

const send = commandOf(
  'send <paths..>',
  {
    paths: list(textKind('a path'), 'what to send', { required: true }),
    to: list(textKind('a peer'), 'who gets it', { required: true, commas: true, alias: 't' }),
    exclude: list(textKind('a pattern'), 'what to leave out'),
    limit: optional(RATE, 'no faster than this'),
    onConflict: defaulted(choiceKind(['rename', 'skip']), 'rename', 'what to do with a file that is there'),
    timeoutMs: defaulted(DURATION, '1m', 'how long to try'),
    queue: flag('keep it for later'),
  },
  (args, { output }) => output.json(args),
);
const message = commandOf(
  'message <target> <text>',
  { target: required(textKind('a peer'), 'who'), text: required(ANY_TEXT, 'what') },
  (args, { output }) => output.json(args),
);
const report = commandOf(
  'report [pairs..]',
  { pairs: list(textKind('KEY=VALUE'), 'values') },
  (args, { output }) => output.json({ command: 'report', ...args }),
);
const scheduleAdd = commandOf(
  'report schedule add <name> [-- command..]',
  {
    name: required(textKind('a name'), 'its name'),
    every: optional(DURATION, 'how often'),
    command: list(ANY_TEXT, 'what to run'),
  },
  (args, { output }) => output.json(args),
);
const scheduleList = commandOf('report schedule list', {}, (_, { output }) =>
  output.json('report schedule list'),
);
const commands = [send, message, report, scheduleAdd, scheduleList];

async function parsed(...argv: string[]): Promise<unknown> {
  const { stdout, stderr, exitCode } = await run(commands, ['--json', ...argv]);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return JSON.parse(stdout);
}

test('a repeatable option takes one value and never the path after it', async () => {
  expect(await parsed('send', '--to', 'bob', 'file', '-t', 'carol', 'other')).toEqual({
    paths: ['file', 'other'],
    to: ['bob', 'carol'],
    exclude: [],
    onConflict: 'rename',
    timeoutMs: 60_000,
    queue: false,
  });
});

test('a comma list is several values for an option that names peers, and one for an option that does not', async () => {
  expect(await parsed('send', 'a,b', '--to', 'bob,carol', '--exclude', '*.{a,b}')).toMatchObject({
    paths: ['a,b'],
    to: ['bob', 'carol'],
    exclude: ['*.{a,b}'],
  });
});

test('a flag does not swallow the word true after it', async () => {
  expect(await parsed('send', '--queue', 'true', '--to=bob')).toMatchObject({ paths: ['true'], queue: true });
  expect(await parsed('message', 'bob', '--verbose', 'false')).toMatchObject({ text: 'false' });
});

test.each([
  '007',
  '1e3',
  '0x10',
  '-5',
  '-1.5',
  '',
  ' ',
  '"quoted"',
  "'q'",
  'a=b',
  'true',
  '-',
  'constructor',
])('the text %j is taken as typed', async (text) => {
  expect(await parsed('message', 'bob', text)).toEqual({ target: 'bob', text });
});

test.each(['--text', '--json', '--help', '-x', '--', '--no-queue'])(
  'the text %j is taken as typed after --',
  async (text) => {
    expect(await parsed('message', 'bob', '--', text)).toEqual({ target: 'bob', text });
  },
);

test('a value that begins with a dash is taken after an equals sign', async () => {
  expect(await parsed('send', 'x', '--to=-bob', '--exclude=--json')).toMatchObject({
    to: ['-bob'],
    exclude: ['--json'],
  });
});

test('a dash alone is a path', async () => {
  expect(await parsed('send', '-', '--to', 'bob')).toMatchObject({ paths: ['-'] });
});

test('what follows -- is the command of a schedule, its own options untouched', async () => {
  expect(
    await parsed('report', 'schedule', 'add', 'disk', '--every', '5m', '--', 'df', '-h', '--json'),
  ).toEqual({
    name: 'disk',
    every: 300_000,
    command: ['df', '-h', '--json'],
  });
});

test('a command and the group of commands under its name live side by side', async () => {
  expect(await parsed('report', 'schedule', 'list')).toBe('report schedule list');
  expect(await parsed('report', 'schedule=5')).toMatchObject({ command: 'report', pairs: ['schedule=5'] });
  expect(await parsed('report')).toMatchObject({ command: 'report', pairs: [] });
});

test.each([
  [
    ['send', 'x', '--to', 'bob', '--limit', 'fast'],
    '--limit takes a rate such as 500KiB/s or 20MB/s, not "fast"',
  ],
  [
    ['send', 'x', '--to', 'bob', '--timeout', '60'],
    '--timeout takes a duration such as 500ms, 10s, 5m, 1h or 7d, not "60"',
  ],
  [
    ['send', 'x', '--to', 'bob', '--on-conflict', 'ask'],
    '--on-conflict takes one of rename, skip, not "ask"',
  ],
  [
    ['send', 'x', '--to', 'bob', '--limit', '1MB', '--limit', '2MB'],
    '--limit was given 2 times, give it once',
  ],
  [['send', 'x'], '--to is missing, it takes a peer'],
  [['send', 'x', '--to', ''], '--to takes a peer, not ""'],
  [['send', '--to', 'bob'], '<paths..> is missing, it takes a path'],
  [['send', 'x', '--to'], '--to needs a value'],
  [['send', 'x', '--to', '--queue'], '--to needs a value'],
  [['send', 'x', '--to', 'bob', '--queue=yes'], '--queue takes no value'],
  [['send', 'x', '--to', 'bob', '--cue'], 'there is no option --cue'],
  [['send', 'x', '--ot', 'bob'], 'there is no option --ot, did you mean --to'],
  [['send', 'x', '--to', 'bob', '--paths', 'y'], 'there is no option --paths'],
  [['send', 'x', '--to', 'bob', '-z'], 'there is no option -z'],
  [['send', 'x', '--to', 'bob', '--__proto__', 'y'], 'there is no option'],
  [['message', 'bob', 'hello', 'world'], '"world" is more than "filer-client message <target> <text>" takes'],
  [['message', 'bob'], '<text> is missing'],
  [['sned', 'x'], 'there is no command "sned", did you mean send?; see filer-client --help'],
  [['report', 'schedule', 'lst'], 'there is no command "report schedule lst", did you mean list?'],
  [['report', 'schedule'], '"filer-client report schedule" needs one of add, list'],
  [['--colour', 'send'], 'there is no option --colour'],
  [[], 'a command is missing'],
] satisfies [string[], string][])('%j is a usage error that says: %s', async (argv, words) => {
  const { exitCode, stdout, stderr } = await run(commands, argv);
  expect(stderr).toContain(words);
  expect(stderr).toMatch(/^filer-client: [^\n]+\n$/);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
});

test('a usage error under --json ends standard output with the error object', async () => {
  const { exitCode, stdout } = await run(commands, ['sned', '--json']);
  expect(JSON.parse(stdout)).toEqual({
    type: 'error',
    code: 'usage',
    message: expect.stringMatching(/"sned".* send\b.*--help/) as string,
    exitCode: 2,
  });
  expect(exitCode).toBe(2);
});

test('a program under another name calls itself so, and runs its own command when no other is typed', async () => {
  const commands = [commandOf('shown', {}, (_, { calledAs, output }) => output.line(calledAs))];
  const options = { calledAs: 'short', wordless: 'shown' };

  expect(await run(commands, [], options)).toEqual({ exitCode: 0, stdout: 'short\n', stderr: '' });
  expect(await run(commands, ['--quiet'], options)).toMatchObject({ exitCode: 0, stdout: 'short\n' });
  expect((await run(commands, ['--help'], options)).stdout).toContain('Usage: short <command>');
  expect((await run(commands, ['shwon'], options)).stderr).toMatch(/^short: there is no command "shwon"/);
  expect((await run(commands, [])).exitCode).toBe(2);
});

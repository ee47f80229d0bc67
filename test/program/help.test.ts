import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { choiceKind, defaulted, firstWordsOf, flag, list, textKind } from '@filer/program';
import { commands as clientCommands } from '../../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../../apps/ip-server/src/cli/commands.ts';
import { wordsOf } from '../../packages/program/src/selection.ts';
import { commandOf, run } from './run.ts';

const programs = [
  ['filer-client', clientCommands],
  ['ip-server', serverCommands],
] as const;

function terminal(columns: number): PassThrough {
  return Object.assign(new PassThrough(), { isTTY: true, columns, rows: 40 });
}

async function helpOf(
  [program, commands]: (typeof programs)[number],
  words: readonly string[],
  columns?: number,
) {
  const stdout = columns === undefined ? {} : { stdout: terminal(columns) };
  const {
    exitCode,
    stdout: piped,
    stderr,
  } = await run(commands, [...words, '--help'], {
    program,
    epilogue: 'First: this, then that',
    ...stdout,
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return (columns === undefined ? piped : String(stdout.stdout?.read() ?? '')).trimEnd().split('\n');
}

describe.each(programs)('the help of %s', (...program) => {
  const [, commands] = program;
  const grouped = firstWordsOf(commands.filter((each) => each.group !== undefined));

  test('is one screen of 80 columns and 40 lines, a line for each command', async () => {
    const lines = await helpOf(program, []);

    // One line is left for the next prompt.
    expect(lines.length).toBeLessThanOrEqual(39);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    for (const word of grouped) {
      expect(lines.filter((line) => line.startsWith(`  ${word} `))).toHaveLength(1);
    }
    expect(lines.filter((line) => /^ {10}/.test(line))).toEqual([]);
  });

  test('has every command in one place', async () => {
    const text = (await helpOf(program, [])).join('\n');
    const also = /^Also: (.*)$/m.exec(text)?.[1]?.split(', ') ?? [];
    const named = [...grouped, ...also];

    expect(named.toSorted()).toEqual(
      [
        ...new Set([...commands.flatMap((command) => wordsOf(command)[0] ?? []), 'completion', 'help']),
      ].toSorted(),
    );
  });

  test.each([120, 80, 60, 40])('fits %i columns, that of each command, too', async (columns) => {
    for (const words of [[], ...commands.map(wordsOf)]) {
      const lines = await helpOf(program, words, columns);
      // A word that is wider than the terminal is not cut in an example that a person may copy.
      const wide = lines.filter((line) => line.length > columns && !/^\s*\S+( \\)?$/.test(line));
      expect({ words, wide }).toEqual({ words, wide: [] });
    }
  });
});

const send = commandOf(
  'send <paths..>',
  {
    paths: list(textKind('a path'), 'what to send', { required: true }),
    to: list(textKind('a peer'), 'who gets it', { required: true, commas: true, alias: 't' }),
    how: defaulted(choiceKind(['rename', 'skip']), 'skip', 'what to do'),
    dryRun: flag('send nothing', { alias: 'n' }),
  },
  (args, { output }) => output.json({ ...args, quiet: output.quiet, verbose: output.verbose }),
);
const commands = [{ ...send, examples: ['send a --to bob'] }, commandOf('share add <dir>', {}, () => 0)];

test('the help of a command has its examples before its flags, and says values, choices and defaults', async () => {
  const { stdout } = await run(commands, ['send', '-h']);

  expect(stdout).toContain('Usage: filer-client send <paths..> --to <peer> [flags]\n');
  expect(stdout.indexOf('filer-client send a --to bob')).toBeLessThan(stdout.indexOf('\nFlags:'));
  expect(stdout).toContain('  -t, --to <peer>          who gets it (required; several: repeat it, or a,b)\n');
  expect(stdout).toContain('      --how <rename|skip>  what to do (default: skip)\n');
  expect(stdout).toContain('  -n, --dry-run            send nothing\n');
});

test('letters may be joined, and a value may follow its letter', async () => {
  const parsed = async (...argv: string[]): Promise<unknown> =>
    JSON.parse((await run(commands, ['--json', ...argv])).stdout);

  expect(await parsed('send', '-nq', 'x', '-tbob')).toMatchObject({ dryRun: true, quiet: true, to: ['bob'] });
  expect(await parsed('-qv', 'send', 'x', '-t=bob')).toMatchObject({
    quiet: true,
    verbose: true,
    to: ['bob'],
  });
  expect(await parsed('send', '-t', 'bob', '--', '-nq')).toMatchObject({
    paths: ['-nq'],
    dryRun: false,
    quiet: false,
  });
});

test('-V is the version', async () => {
  expect(await run([], ['-V'])).toEqual({ exitCode: 0, stdout: '1.2.3\n', stderr: '' });
});

test.each([
  [['help', 'nosuch'], 'there is no command "nosuch"'],
  [['help', 'sned'], 'did you mean send?'],
  [['sned', '--help'], 'did you mean send?'],
  [['--help', 'sned'], 'did you mean send?'],
  [['help', 'share', 'ad'], 'did you mean add?'],
  [['help', 'send', 'x'], 'there is no command "send x"'],
  [['add'], 'did you mean share add?'],
  [['version'], 'did you mean --version?'],
  [['hlep'], 'did you mean help?'],
  [['send', 'x', '-t'], '-t needs a value'],
  [['--verson'], 'there is no option --verson before a command, did you mean --version?'],
  [['--to', 'bob', 'send', 'x'], 'there is no option --to before a command'],
  [['send', 'x', '-t', 'bob', '-nx'], 'there is no option -nx'],
  [['send', 'x', '--to', 'bob', '--dryrun'], 'did you mean --dry-run?'],
] satisfies [string[], string][])('%j is a usage error that says: %s', async (argv, words) => {
  const { exitCode, stdout, stderr } = await run(commands, argv);

  expect(stderr).toContain(words);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
});

test('help send is the help of send, and help help that of the program', async () => {
  expect(await run(commands, ['help', 'help'])).toEqual(await run(commands, ['--help']));
  expect(await run(commands, ['help', 'send'])).toEqual(await run(commands, ['send', '--help']));
});

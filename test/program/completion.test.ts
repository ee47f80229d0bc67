import { describe, expect, test } from 'vitest';
import { choiceKind, complete, defaulted, flag, list, optional, required, textKind } from '@filer/program';
import { lineAtCursor } from '../../packages/program/src/completion/line.ts';
import { commandOf, run } from './run.ts';

const PEER = textKind('a peer', { completes: 'peer' });
const commands = [
  commandOf(
    'send <paths..>',
    {
      paths: list(textKind('a path', { completes: 'file' }), 'what', { required: true }),
      to: list(PEER, 'who', { commas: true, alias: 't' }),
      how: defaulted(choiceKind(['rename', 'skip']), 'skip', 'how'),
      into: optional(textKind('a folder', { completes: 'folder' }), 'where'),
      note: optional(textKind('a text'), 'why'),
      dryRun: flag('nothing', { alias: 'n' }),
    },
    () => 0,
  ),
  commandOf(
    'get <source> [dest]',
    { source: required(PEER, 'whose'), dest: optional(textKind('a path', { completes: 'folder' }), 'where') },
    () => 0,
  ),
  commandOf('forget [peers..]', { peers: list(PEER, 'which') }, () => 0),
  commandOf('share', {}, () => 0),
  commandOf(
    'share add <dir>',
    { dir: required(textKind('a folder', { completes: 'folder' }), 'it') },
    () => 0,
  ),
  commandOf(
    'run <name> [-- command..]',
    {
      name: required(PEER, 'name'),
      every: optional(textKind('a text'), 'when'),
      command: list(textKind('a program', { completes: 'file' }), 'what'),
    },
    () => 0,
  ),
];
const names = ['alice', 'bob', 'bobby'];
const source = (what: string) => ({ candidates: what === 'peer' ? names.map((text) => ({ text })) : [] });

/** What is offered for the last of the words. */
async function offered(...words: string[]): Promise<string[]> {
  const { candidates, paths } = await complete(commands, words, source);
  return [...candidates.map(({ text }) => text), ...(paths === undefined ? [] : [`(${paths})`])];
}

test.each([
  [['s'], ['send', 'share']],
  [['sh'], ['share']],
  [
    ['help', 's'],
    ['send', 'share'],
  ],
  [['help', 'share', ''], ['add']],
  [['share', ''], ['add']],
  [['share', 'add', ''], ['(folder)']],
  [['-q', 'sh'], ['share']],
  [['nosuch', ''], []],
  [['send', ''], ['(file)']],
  [['send', 'x', ''], ['(file)']],
  [['send', 'x', '--to', ''], names],
  [
    ['send', 'x', '-t', 'bob'],
    ['bob', 'bobby'],
  ],
  [
    ['send', 'x', '--to', 'alice,b'],
    ['alice,bob', 'alice,bobby'],
  ],
  [
    ['send', 'x', '--to', 'bob,'],
    ['bob,alice', 'bob,bobby'],
  ],
  [['send', 'x', '--to=al'], ['--to=alice']],
  [['send', 'x', '-tal'], ['-talice']],
  [['send', 'x', '-t=al'], ['-t=alice']],
  [
    ['send', 'x', '--how', ''],
    ['rename', 'skip'],
  ],
  [['send', 'x', '--into', ''], ['(folder)']],
  [['send', 'x', '--note', ''], []],
  [['send', 'x', '--note', 'a', '--d'], ['--dry-run']],
  [['send', '--dry-run', '--d'], []],
  [['send', '-nq', '--d'], []],
  [['send', '--to', 'bob', '--t'], ['--to']],
  [['send', '--', '--d'], ['(file)']],
  [
    ['get', 'bo'],
    ['bob', 'bobby'],
  ],
  [['get', 'bob', ''], ['(folder)']],
  [['get', 'bob', 'x', ''], []],
  [
    ['forget', 'bob', ''],
    ['alice', 'bobby'],
  ],
  [['run', 'a'], ['alice']],
  [['run', 'x', ''], []],
  [['run', 'x', '--', 'd'], ['(file)']],
] satisfies [string[], string[]][])('after %j stand %j', async (words, expected) => {
  expect(await offered(...words)).toEqual(expected);
});

test('flags are offered with what they do, those of every command, too', async () => {
  const { candidates } = await complete(commands, ['send', '-'], source);

  expect(candidates).toContainEqual({ text: '--dry-run', about: 'nothing' });
  expect(candidates.map(({ text }) => text)).toContain('--json');
});

test('a name that a terminal would draw as something else is not offered', async () => {
  const evil = () => ({ candidates: [{ text: 'a\u001B[2J' }, { text: 'a\nb' }, { text: 'ab' }] });

  expect((await complete(commands, ['get', ''], evil)).candidates).toEqual([{ text: 'ab' }]);
});

describe('a shell', () => {
  const answer = async (argv: string[], completes?: () => Promise<never>): Promise<string> => {
    const { exitCode, stdout, stderr } = await run(commands, ['--complete', ...argv], {
      completes: completes ?? ((_, what) => Promise.resolve(source(what))),
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    return stdout;
  };

  test('is told what of the disk it may offer, and the candidates', async () => {
    expect(await answer(['fish', 'filer-client send '])).toBe('file\n');
    expect(await answer(['fish', 'filer-client sen'])).toBe('\nsend\tdo send <paths..>\n');
    expect(await answer(['zsh', 'filer-client send --how s'])).toBe('\n.skip\t\n');
    expect(await answer(['bash', 'filer-client send --how s', ' :='])).toBe('\nskip \n');
  });

  test('that breaks words gets what stands after the break, quoted', async () => {
    const paths = () => Promise.resolve({ candidates: [{ text: "bob:a b/$(x)'", isOpen: true }] });
    const argv = ['--complete', 'bash', 'filer-client get bob:a', ':=@'];

    expect((await run(commands, argv, { completes: paths })).stdout).toBe("\na\\ b/\\$\\(x\\)\\'\n");
    expect(await answer(['bash', 'filer-client send --to=b', ':=@'])).toBe('\nbob \nbobby \n');
  });

  test.each([
    ['filer-client get ', '$(reboot)', '\\$\\(reboot\\) '],
    ['filer-client get "', '$(reboot)', '\\$(reboot)'],
    ['filer-client get "', '`reboot`"\\', '\\`reboot\\`\\"\\\\'],
    ['filer-client get "', 'now!', undefined],
    ["filer-client get '", '$(reboot)', '$(reboot)'],
    ["filer-client get '", "'; reboot", undefined],
  ])('does not run what another machine calls its files: %s with %j', async (line, text, inserted) => {
    const completes = () => Promise.resolve({ candidates: [{ text }] });

    const { stdout } = await run(commands, ['--complete', 'bash', line, ':=@'], { completes });
    expect(stdout).toBe(inserted === undefined ? '\n' : `\n${inserted}\n`);
  });

  test('is offered nothing, and told nothing, where names cannot be looked up', async () => {
    expect(await answer(['fish', 'filer-client get b'], () => Promise.reject(new Error('broken')))).toBe(
      '\n',
    );
    expect(await answer(['fish', 'filer-client get b'], () => new Promise<never>(() => undefined))).toBe(
      '\n',
    );
    expect(await answer(['csh', 'x'])).toBe('');
    expect(await answer([])).toBe('');
  });
});

test.each([
  ['p send a', ['p', 'send', 'a']],
  ['p send ', ['p', 'send', '']],
  ['p  send', ['p', 'send']],
  ['p "a b', ['p', 'a b']],
  ["p 'a\\", ['p', 'a\\']],
  ['p a\\ b', ['p', 'a b']],
  ['p "" x', ['p', '', 'x']],
  ['p a\\', ['p', 'a']],
  ['', ['']],
])('the line %j up to the cursor is the words %j', (line, words) => {
  expect(lineAtCursor(line).words).toEqual(words);
});

test.each([
  ['get bob:do', 4],
  ['get bob\\:do', 0],
  ['get "bob:do', 0],
  ['send @la', 0],
  ['send --to=@la', 5],
  ['send bob,@la', 4],
])('of the last word of %j stand %i characters before what bash completes', (line, broken) => {
  expect(lineAtCursor(line, ' \t\n"\'@><=;|&(:').broken).toBe(broken);
});

test.each(['bash', 'zsh', 'fish'])(
  'the script for %s is printed, also for the shell that $SHELL names',
  async (shell) => {
    const named = await run([], ['completion', shell]);

    expect(named.stdout).toContain(`filer-client --complete ${shell} `);
    expect(
      await run([], ['completion'], { env: { FILER_HOME: '/nowhere', SHELL: `/usr/bin/${shell}` } }),
    ).toEqual(named);
  },
);

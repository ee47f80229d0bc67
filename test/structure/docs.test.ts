import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readArguments } from '../../packages/program/src/binding.ts';
import { parseCommandLine } from '../../packages/program/src/command-line.ts';
import type { OpenCommand } from '../../packages/program/src/command.ts';
import { readGlobals, selectCommand, unknownCommand } from '../../packages/program/src/selection.ts';
import { EXIT_CODES } from '../../packages/protocol/src/errors.ts';
import { PROGRAMS, withCommands } from '../../scripts/cli-docs.ts';
import { commandLinesIn, type CommandLine } from './command-lines.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const read = (page: string): string => readFileSync(join(root, page), 'utf8');

const programs: Readonly<Record<string, readonly OpenCommand[]>> = PROGRAMS;
/** What pages show: the short command takes the same. */
const shown: typeof programs = { ...programs, filer: programs['filer-client'] ?? [] };
const everything = Object.entries(programs).flatMap(([program, commands]) =>
  commands.map((command) => [`${program} ${command.usage}`, command] as const),
);

/** The reference of the command lines: all its pages in one. */
const cli = pages
  .filter((page) => page.startsWith('docs/cli/'))
  .map(read)
  .join('\n');

/** The text of each command's section, by the command's usage. */
const sections = new Map(
  cli.split(/^#{1,3} /m).flatMap((section) => {
    const usage = /^`((?:filer-client|ip-server) .+)`$/.exec(section.split('\n')[0] ?? '')?.[1];
    return usage === undefined ? [] : [[usage, section] as const];
  }),
);

test('docs/cli/ has a section for every command of both programs and no other', () => {
  expect([...sections.keys()].toSorted()).toEqual(everything.map(([usage]) => usage).toSorted());
});

test.each(everything)('docs/cli/ says in the section of "%s" what its declaration says', (usage) => {
  expect(sections.get(usage)).toContain(`\n<!-- command: ${usage} -->\n`);
});

test.each(pages.filter((page) => page.startsWith('docs/cli/')))(
  '%s has the flags and examples of the declarations: else run "npm run docs"',
  (page) => {
    expect(withCommands(read(page))).toBe(read(page));
  },
);

test('what is written below a flag is kept, and is not lost with the flag', () => {
  const page = (key: string): string =>
    `<!-- command: filer-client peers -->\n\n- \`${key}\`: old words.\n  More of it.\n\n  And more.\n\n<!-- end -->`;

  expect(withCommands(page('--all <x>'))).toMatch(
    /- `--all`: include [^\n]+\n {2}More of it\.\n\n {2}And more\.\n- `--watch`/,
  );
  expect(() => withCommands(page('--al'))).toThrow('--al');
  expect(() => withCommands('<!-- command: filer-client nonsense -->\n<!-- end -->')).toThrow('nonsense');
});

test('docs/cli/ lists the options that every command has', () => {
  expect(cli).toContain('<!-- commands: flags -->');
});

test('docs/cli/ lists every exit code of the table, and that of a closed output', () => {
  const listed = [...cli.matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]));

  expect(listed).toEqual([...new Set([0, ...Object.values(EXIT_CODES), 141])].toSorted((a, b) => a - b));
});

test.each(pages.filter((page) => /^docs\/cli\/(?!README)/.test(page)))(
  'the table of the command lines names the commands of %s',
  (page) => {
    const row = read('docs/cli/README.md')
      .split('\n')
      .find((line) => line.startsWith('|') && line.includes(`](${basename(page)})`));
    const commands = [...read(page).matchAll(/^## `(?:ip-server|filer-client) (\w[\w-]*)/gm)].map(
      ([, name = '']) => name,
    );

    const missing = [...new Set(commands)].filter((name) => !new RegExp(`\`${name}[ \`]`).test(row ?? ''));

    expect(missing).toEqual([]);
  },
);

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('has no relative link to a file or heading that is not there', () => {
    const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
    const links = [...prose.matchAll(/\]\((?![a-z]+:)([^)\s]*)\)/g)].map((match) => match[1] ?? '');
    const dead = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(root, page) : join(root, dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
    });

    expect(dead).toEqual([]);
  });

  test('shows no command line that the programs would not take', () => {
    expect(commandLinesIn(text, Object.keys(shown)).flatMap(faultOf)).toEqual([]);
  });
});

test.each([
  ['filer-client snd f --to bob', 'there is no command "snd", did you mean send?'],
  ['sudo -u filer IP_SERVER_HOME=/x ip-server invite --user 2 > link.txt', 'there is no option --user'],
  ['ip-server invite | filer-client join - --nam x', 'there is no option --nam'],
  ['ip-server start && filer-client send f', '--to is missing'],
  ['filer send bob:', 'say what to send'],
])('a command line in the docs that is wrong is noticed: %s', (line, fault) => {
  const faults = commandLinesIn(`\`\`\`sh\n${line} # why\n\`\`\`\n`, Object.keys(shown)).flatMap(faultOf);

  expect(faults.join()).toContain(fault);
});

function faultOf({ program, words }: CommandLine): string[] {
  if (program === 'filer' && words.length === 0) return [];
  const commands = shown[program] ?? [];
  const { words: found, command: selected, tokens } = selectCommand(commands, words);
  const command = commands.find((each) => each === selected);
  const { help, version } = readGlobals(words);
  if (help || version) return [];
  try {
    if (command === undefined) throw unknownCommand(program, commands, found, tokens[0]);
    readArguments(command.args, parseCommandLine(program, commands, command, tokens));
    return [];
  } catch (error) {
    return [`${program} ${words.join(' ')}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** What a link may name after `#`: anchors that were set, and the headings, as code hosts write them. */
function anchorsOf(markdown: string): string[] {
  const anchors = [...markdown.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1] ?? '');
  const headings = [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return [...anchors, ...headings];
}

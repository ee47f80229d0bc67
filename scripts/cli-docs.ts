/*
 * Writes what docs/cli/ says of each command from its declaration: `npm run docs`. Between a marker and its end stand
 *
 *   <!-- command: PROGRAM USAGE -->   what the command does, its examples, its arguments and flags
 *   <!-- commands: flags -->          the flags that every command has
 *   <!-- end -->
 *
 * An argument or flag is one item of a list. What is written below it, indented, is kept: there is room for what the one
 * line does not say.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import {
  completionCommand,
  formOf,
  GLOBAL_FLAGS,
  sentence,
  settingVariable,
  type Command,
  type OpenCommand,
  type Parameter,
  type ProgramName,
} from '@filer/program';
import { commands as clientCommands } from '../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../apps/ip-server/src/cli/commands.ts';

const PAGES = new URL('../docs/cli/', import.meta.url);
const BLOCK = /^<!-- (commands?): (.+) -->$([^]*?)^<!-- end -->$/gm;

/** The programs, and what can be typed after them. */
export const PROGRAMS: Readonly<Record<ProgramName, readonly OpenCommand[]>> = {
  'filer-client': await opened(clientCommands),
  'ip-server': await opened(serverCommands),
};

function opened(commands: readonly Command[]): Promise<OpenCommand[]> {
  return Promise.all([...commands, completionCommand].map((each) => each.open()));
}

/** @returns the page with all that stands between markers written from the declarations */
export function withCommands(page: string): string {
  return page.replaceAll(BLOCK, (_, kind: string, name: string, before: string) => {
    const kept = textsBelow(before);
    const written = kind === 'commands' ? flagsForAll() : commandOf(name);
    const used = new Set(written.items.map(([term]) => keyOf(term)));
    const lost = [...kept].find(([term, text]) => text !== '' && !used.has(term))?.[0];
    if (lost !== undefined)
      throw new Error(`docs/cli has text below ${lost} of "${name}", which is not declared`);
    const list = written.items
      .map(([term, text]) => `- ${term}: ${text}${kept.get(keyOf(term)) ?? ''}`)
      .join('\n');
    return [
      `<!-- ${kind}: ${name} -->`,
      ...written.head,
      ...(list === '' ? [] : [list]),
      '<!-- end -->',
    ].join('\n\n');
  });
}

/** What is written below the items of a block, by the key of each. */
function textsBelow(block: string): Map<string, string> {
  const texts = new Map<string, string>();
  let key: string | undefined;
  for (const line of block.split('\n')) {
    const term = /^- ((?:`[^`]+`(?:, )?)+): /.exec(line)?.[1];
    if (term !== undefined) key = keyOf(term);
    else if (key !== undefined && (line === '' || line.startsWith('  '))) {
      texts.set(key, `${texts.get(key) ?? ''}\n${line}`);
    } else key = undefined;
  }
  return new Map([...texts].map(([name, text]) => [name, text.trimEnd()]));
}

/** Letters and placeholders may change: `-t`, `--to <target>` is `--to`. */
function keyOf(term: string): string {
  return /(--[a-z-]+)/.exec(term)?.[1] ?? term;
}

interface Written {
  readonly head: readonly string[];
  readonly items: readonly (readonly [term: string, text: string])[];
}

function flagsForAll(): Written {
  const items = Object.entries(GLOBAL_FLAGS).map(
    ([name, { alias, describe }]) =>
      [`${alias === undefined ? '' : `\`-${alias}\`, `}\`--${name}\``, `${describe}.`] as const,
  );
  return { head: [], items };
}

function commandOf(name: string): Written {
  const program = Object.keys(PROGRAMS).find((each): each is ProgramName => name.startsWith(`${each} `));
  const command = program && PROGRAMS[program].find(({ usage }) => name === `${program} ${usage}`);
  if (program === undefined || command === undefined) {
    throw new Error(`docs/cli has a marker for "${name}", which is not declared`);
  }
  const { positionals, options } = formOf(command);
  const examples = (command.examples ?? []).map((example) => `${program} ${example}`);
  return {
    head: [
      sentence(command.describe),
      ...(examples.length === 0 ? [] : [['```sh', ...examples, '```'].join('\n')]),
    ],
    items: [...positionals, ...options].map((parameter) => [termOf(parameter), textOf(program, parameter)]),
  };
}

function termOf({ short, name, value }: Parameter): string {
  return `${short === undefined ? '' : `\`${short}\`, `}\`${name}${value === undefined ? '' : ` ${value}`}\``;
}

function textOf(program: ProgramName, { describe, remarks, argument: { setting } }: Parameter): string {
  const all = [
    ...remarks,
    ...(setting === undefined
      ? []
      : [`variable \`${settingVariable(program, setting)}\`, key \`${setting}\``]),
  ];
  return `${all.length === 0 ? describe : `${describe} (${all.join('; ')})`}.`;
}

if (import.meta.main) {
  for (const name of (await readdir(PAGES)).filter((each) => each.endsWith('.md'))) {
    const page = new URL(name, PAGES);
    await writeFile(page, withCommands(await readFile(page, 'utf8')));
  }
}

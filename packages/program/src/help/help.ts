import type { Command } from '../command.ts';
import { settingVariable, type ProgramName } from '../environment.ts';
import { beginsWith, GLOBAL_FLAGS, wordsOf } from '../selection.ts';
import { formOf, type Parameter } from './form.ts';
import { entries, wrapped, type Entry } from './layout.ts';

/** Lines of help are easier to read when they are not longer, however wide the terminal. */
const WIDEST_HELP = 100;

/** Where nothing says how wide, such as in a pager. */
const USUAL_WIDTH = 80;

/** So that every summary stands on one line of 80 columns. */
const WIDEST_USAGE = 24;

export interface HelpOptions {
  readonly program: ProgramName;
  /** What a person types for it. */
  readonly calledAs: string;
  /** What the program is, in one line. */
  readonly summary: string;
  /** What stands at the end of the program's own help. */
  readonly epilogue: string;
  /** Columns of the terminal, or Infinity. */
  readonly width: number;
}

/** The help of the whole program: one screen. Commands of no group are named in one line below the groups. */
export function programHelp(
  commands: readonly Command[],
  { calledAs, summary, epilogue, width: columns }: HelpOptions,
): string {
  const width = fitting(columns);
  const titles = Map.groupBy(commands, (each) => each.group);
  const grouped = [...titles].flatMap(([title, all]) =>
    title === undefined
      ? []
      : [{ title, rows: firstWordsOf(all).flatMap((first) => overviewOf(commands, first)) }],
  );
  const others = firstWordsOf(titles.get(undefined) ?? []);
  const widest = Math.max(...grouped.flatMap(({ rows }) => rows.map(([term]) => term.length)), 0);
  const everywhere = Object.entries(GLOBAL_FLAGS).map(([name, { alias }]) =>
    alias === undefined ? `--${name}` : `-${alias}/--${name}`,
  );
  return [
    ...wrapped(`${calledAs}: ${summary}`, width),
    '',
    `Usage: ${calledAs} <command>`,
    ...grouped.flatMap(({ title, rows }) => [
      '',
      `${title}:`,
      // Each group has the column of the widest.
      ...entries([...rows, [' '.repeat(widest), '']], width).slice(0, -1),
    ]),
    '',
    ...wrapped(`Also: ${[...others, 'help'].join(', ')}`, width),
    ...wrapped(`With every command: ${everywhere.join(', ')}`, width),
    ...wrapped(`"${calledAs} help <command>" shows its examples and flags. ${epilogue}`.trim(), width),
  ].join('\n');
}

/** The help of a command, and of the commands that begin with its words; those may be of a group only. */
export async function commandHelp(
  commands: readonly Command[],
  words: readonly string[],
  { program, calledAs, width: columns }: HelpOptions,
): Promise<string> {
  const width = fitting(columns);
  const below = beginsWith(commands, words);
  const own = below.find((each) => wordsOf(each).length === words.length);
  const others = below.filter((each) => each !== own);
  const command = await own?.open();
  const form = command === undefined ? undefined : formOf(command);
  const setting = form?.options.find(({ argument }) => argument.setting !== undefined)?.argument.setting;
  const synopsis = form?.synopsis ?? `${words.join(' ')} <command>`;
  const examples =
    command === undefined
      ? (await Promise.all(others.map((each) => each.open()))).flatMap((each) => each.examples?.[0] ?? [])
      : (command.examples ?? []);
  return [
    ...(command === undefined ? [] : [...wrapped(sentence(command.describe), width), '']),
    ...hanging(`Usage: ${calledAs} `, synopsis, width),
    ...section(
      'Examples',
      examples.flatMap((example) => commandLine(`${calledAs} ${example}`, width)),
    ),
    ...section(
      'Commands',
      entries(
        others.map((each) => [each.usage, each.describe]),
        width,
      ),
    ),
    ...section('Arguments', entries((form?.positionals ?? []).map(entryOf), width)),
    ...section('Flags', entries((form?.options ?? []).map(entryOf), width)),
    ...(setting === undefined
      ? []
      : [
          '',
          ...wrapped(
            `Each flag is also a variable (${settingVariable(program, setting)}) and a key of config.toml (${setting}).`,
            width,
          ),
        ]),
    ...section('With every command', entries(GLOBAL_ENTRIES, width)),
  ].join('\n');
}

/** `Send files.`: a summary as a sentence. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** With which words commands begin. */
export function firstWordsOf(commands: readonly Command[]): string[] {
  return [...new Set(commands.flatMap((each) => wordsOf(each)[0] ?? []))];
}

/** How an option is shown: `-t, --to <target>`. */
function termOf({ short, name, value }: Parameter): string {
  const isOption = name.startsWith('--') && !name.includes(' ');
  const before = short === undefined ? (isOption ? '    ' : '') : `${short}, `;
  return `${before}${name}${value === undefined ? '' : ` ${value}`}`;
}

const GLOBAL_ENTRIES: readonly Entry[] = Object.entries(GLOBAL_FLAGS).map(([name, { alias, describe }]) => [
  `${alias === undefined ? '    ' : `-${alias}, `}--${name}`,
  describe,
]);

function entryOf(parameter: Parameter): Entry {
  const { describe, remarks } = parameter;
  return [termOf(parameter), remarks.length === 0 ? describe : `${describe} (${remarks.join('; ')})`];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines];
}

/** The lines after the first are indented as what they continue. */
function hanging(before: string, text: string, width: number): string[] {
  const [first = '', ...more] = wrapped(text, Math.max(width - before.length, 1));
  return [before + first, ...more.map((line) => ' '.repeat(before.length) + line)];
}

/** An example that can be copied, also where it needs several lines. */
function commandLine(text: string, width: number): string[] {
  const words = text.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    const longer = `${line} ${word}`;
    // Room for a backslash.
    if (line === undefined) lines.push(`  ${word}`);
    else if (longer.length + 2 <= width) lines[lines.length - 1] = longer;
    else lines.push(`    ${word}`);
  }
  return lines.map((line, index) => (index === lines.length - 1 ? line : `${line} \\`));
}

/** One line for the commands that begin with a word: how they are typed, and what the first of them does. */
function overviewOf(commands: readonly Command[], first: string): Entry[] {
  const all = beginsWith(commands, [first]);
  const own = all.find((each) => wordsOf(each).length === 1);
  const shown = own ?? all[0];
  if (shown === undefined) return [];
  const next = [...new Set(all.flatMap((each) => wordsOf(each)[1] ?? []))];
  return [[usageOf(own, first, next), shown.describe]];
}

function usageOf(own: Command | undefined, first: string, next: readonly string[]): string {
  if (next.length === 0) return fits(own?.usage ?? first) ?? first;
  const [open, close] = own === undefined ? ['', ''] : ['[', ']'];
  return (
    fits(`${first} ${open}${next.join('|')}${close}`) ??
    `${first} ${own === undefined ? '<command>' : '[command]'}`
  );
}

function fits(usage: string): string | undefined {
  return usage.length <= WIDEST_USAGE ? usage : undefined;
}

function fitting(columns: number): number {
  return Number.isFinite(columns) ? Math.min(columns, WIDEST_HELP) : USUAL_WIDTH;
}

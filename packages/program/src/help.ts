import type { Argv } from 'yargs';
import type { Argument } from './arguments.ts';
import { parseUsage } from './binding.ts';
import type { Command } from './command.ts';
import { optionsOf, plainYargs } from './command-line.ts';
import { beginsWith, GLOBAL_FLAGS, wordsOf } from './selection.ts';

/** Lines of help are easier to read when they are not longer, however wide the terminal. */
const WIDEST_HELP = 100;

export interface HelpOptions {
  readonly program: string;
  /** What the program is, in one line. */
  readonly summary: string;
  /** What stands at the end of the program's own help. */
  readonly epilogue: string;
  /** Columns of the terminal, or Infinity. */
  readonly width: number;
}

/** The help of the whole program, or of the commands that begin with the same words. */
export async function groupHelp(
  commands: readonly Command[],
  words: readonly string[],
  { program, summary, epilogue, width }: HelpOptions,
): Promise<string> {
  const name = [program, ...words].join(' ');
  const help = plainYargs(program).wrap(Math.min(width, WIDEST_HELP));
  help.usage(
    words.length === 0 ? `${program}: ${summary}\n\nUsage: ${name} COMMAND` : `Usage: ${name} COMMAND`,
  );
  for (const command of beginsWith(commands, words)) help.command(command.usage, command.describe);
  addGlobals(help);
  if (words.length === 0) help.epilogue(`${program} COMMAND --help says more about one. ${epilogue}`.trim());
  return help.getHelp();
}

/** The help of one command, with the commands that begin with its words. */
export async function commandHelp(
  commands: readonly Command[],
  command: Command,
  { program, width }: HelpOptions,
): Promise<string> {
  const usage = parseUsage(command.usage);
  const help = plainYargs(program).wrap(Math.min(width, WIDEST_HELP));
  help.usage(`${command.describe}\n\nUsage: ${program} ${command.usage}`);
  for (const other of beginsWith(commands, usage.words)) {
    if (wordsOf(other).length > usage.words.length) help.command(other.usage, other.describe);
  }
  for (const { key } of usage.positionals) {
    help.positional(key, { describe: command.args[key]?.describe ?? '' });
  }
  const options = optionsOf(command, usage);
  for (const [name, { argument }] of options) addOption(help, name, argument);
  help.group([...options.keys()], 'Options:');
  addGlobals(help);
  for (const example of command.examples ?? []) help.example(`${program} ${example}`, '');
  return help.getHelp();
}

function addOption(help: Argv, name: string, argument: Argument<unknown>): void {
  const { describe, alias, fallback, required } = argument;
  help.option(name, {
    describe: required ? `${describe} (required)` : describe,
    ...(alias === undefined ? {} : { alias }),
    ...(fallback === undefined ? {} : { default: fallback, defaultDescription: fallback }),
  });
}

function addGlobals(help: Argv): void {
  const names = Object.keys(GLOBAL_FLAGS);
  for (const [name, { describe, alias }] of Object.entries(GLOBAL_FLAGS)) {
    help.option(name, { describe, ...(alias === undefined ? {} : { alias }) });
  }
  help.group(names, 'Everywhere:');
}

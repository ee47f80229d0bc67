import { nearNames } from '@filer/protocol';
import { parseUsage, usageError } from './binding.ts';
import type { Argument } from './arguments.ts';
import type { Command } from './command.ts';

/** More would not help. */
const MOST_SUGGESTED = 3;

/** Options that every command has. */
export const GLOBAL_FLAGS = {
  json: { describe: 'print data as JSON on standard output', alias: undefined },
  quiet: { describe: 'print only warnings and failures on standard error', alias: 'q' },
  verbose: { describe: 'print more: debug logs of daemons, stacks of failures', alias: 'v' },
  help: { describe: 'show the help of the program or of a command', alias: 'h' },
  version: { describe: 'show the version', alias: 'V' },
} as const;

export type Globals = Record<keyof typeof GLOBAL_FLAGS, boolean>;

/** A command line after its first look: which command, and what is left to parse for it. */
export interface Selected {
  /** The words that were recognised; a prefix of some command's words. */
  readonly words: readonly string[];
  /** None if the words name a group of commands, or nothing. */
  readonly command: Command | undefined;
  readonly tokens: readonly string[];
}

/** Which global options were given, wherever they stand before `--`. */
export function readGlobals(argv: readonly string[]): Globals {
  const end = argv.indexOf('--');
  const given = new Set(end === -1 ? argv : argv.slice(0, end));
  const has = (name: keyof Globals) => {
    const { alias } = GLOBAL_FLAGS[name];
    return given.has(`--${name}`) || (alias !== undefined && given.has(`-${alias}`));
  };
  return {
    json: has('json'),
    quiet: has('quiet'),
    verbose: has('verbose'),
    help: has('help'),
    version: has('version'),
  };
}

/** `-nq` as `-n -q`, and `-tbob` as `-t=bob`, for the letters that the command has; nothing after `--` is touched. */
export async function separateFlags(
  commands: readonly Command[],
  argv: readonly string[],
): Promise<string[]> {
  const everywhere = Object.values(GLOBAL_FLAGS).flatMap(({ alias }) => alias ?? []);
  const globals = separated(argv, new Set(everywhere), new Set());
  const own = Object.values((await selectCommand(commands, globals).command?.open())?.args ?? {});
  const lettersOf = (all: readonly Argument<unknown>[]): string[] => all.flatMap(({ alias }) => alias ?? []);
  const flags = lettersOf(own.filter(({ arity }) => arity === 'flag'));
  const valued = lettersOf(own.filter(({ arity }) => arity !== 'flag'));
  return separated(globals, new Set([...everywhere, ...flags]), new Set(valued));
}

function separated(
  argv: readonly string[],
  flags: ReadonlySet<string>,
  valued: ReadonlySet<string>,
): string[] {
  const end = argv.indexOf('--');
  const before = end === -1 ? argv : argv.slice(0, end);
  const tokens = before.flatMap((token) => {
    const letters = (/^-([A-Za-z]{2,})$/.exec(token)?.[1] ?? '').split('');
    if (letters.length > 0 && letters.every((letter) => flags.has(letter))) {
      return letters.map((letter) => `-${letter}`);
    }
    const [, letter = '', value = ''] = /^-([A-Za-z])([^=][^]*)$/.exec(token) ?? [];
    return valued.has(letter) ? [`-${letter}=${value}`] : [token];
  });
  return [...tokens, ...argv.slice(before.length)];
}

/**
 * Finds the command with the longest run of words at the start, global options aside. The first other option
 * ends the search: the value after it must not be taken for a word.
 */
export function selectCommand(commands: readonly Command[], argv: readonly string[]): Selected {
  const words: string[] = [];
  const tokens: string[] = [];
  let index = 0;
  for (; index < argv.length; index += 1) {
    const token = argv[index] ?? '';
    if (isGlobal(token)) tokens.push(token);
    else if (beginsWith(commands, [...words, token]).length > 0) words.push(token);
    else break;
  }
  const command = beginsWith(commands, words).find((each) => wordsOf(each).length === words.length);
  return {
    words,
    command: words.length === 0 ? undefined : command,
    tokens: [...tokens, ...argv.slice(index)],
  };
}

/** The commands whose first words these are. */
export function beginsWith(commands: readonly Command[], words: readonly string[]): Command[] {
  return commands.filter((command) => words.every((word, index) => wordsOf(command)[index] === word));
}

export function wordsOf(command: Pick<Command, 'usage'>): readonly string[] {
  return parseUsage(command.usage).words;
}

/** What to say about words that name no command. */
export function unknownCommand(
  program: string,
  commands: readonly Command[],
  words: readonly string[],
  next?: string,
): Error {
  const help = [program, ...words].join(' ');
  if (next?.startsWith('-') === true) {
    const known = Object.keys(GLOBAL_FLAGS);
    const name = next.replace(/^--?/, '').replace(/=.*/, '');
    return usageError(`there is no option ${next} before a command${suggestion(name, known, '--')}`, help);
  }
  const following = [
    ...new Set(beginsWith(commands, words).flatMap((each) => wordsOf(each)[words.length] ?? [])),
  ];
  if (next === undefined) {
    const what =
      words.length === 0 ? 'a command is missing' : `"${help}" needs one of ${following.join(', ')}`;
    return usageError(what, help);
  }
  const known = words.length === 0 ? [...following, 'help'] : following;
  const near = suggestion(next, known) || didYouMean(elsewhere(commands, words, next));
  return usageError(`there is no command "${[...words, next].join(' ')}"${near}`, help);
}

/** Where a word is known: `schedule` as `report schedule`, `version` as `--version`. */
function elsewhere(commands: readonly Command[], words: readonly string[], wanted: string): string[] {
  if (Object.hasOwn(GLOBAL_FLAGS, wanted)) return [`--${wanted}`];
  const paths = beginsWith(commands, words).flatMap((each) => {
    const at = wordsOf(each).indexOf(wanted, words.length);
    return at === -1
      ? []
      : [
          wordsOf(each)
            .slice(0, at + 1)
            .join(' '),
        ];
  });
  return [...new Set(paths)].slice(0, MOST_SUGGESTED);
}

/** `, did you mean …?` with what is near, or nothing. */
export function suggestion(wanted: string, known: readonly string[], prefix = ''): string {
  return didYouMean(nearNames(wanted, known).map((name) => `${prefix}${name}`));
}

function didYouMean(near: readonly string[]): string {
  return near.length === 0 ? '' : `, did you mean ${near.join(' or ')}?`;
}

/** Whether a word of a command line is one of the options that every command has. */
export function isGlobal(token: string): boolean {
  return Object.values(readGlobals([token])).includes(true);
}

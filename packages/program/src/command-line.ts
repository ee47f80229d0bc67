import yargs, { type Argv } from 'yargs';
import { nearNames } from '@filer/protocol';
import type { Argument } from './arguments.ts';
import {
  bindPositionals,
  optionName,
  parseUsage,
  positionalLabel,
  usageError,
  type Usage,
} from './binding.ts';
import type { Command, GivenArguments } from './command.ts';

/** Options that every command has. */
export const GLOBAL_FLAGS = {
  json: { describe: 'data as JSON on standard output', alias: undefined },
  quiet: { describe: 'no words on standard error but failures', alias: 'q' },
  verbose: { describe: 'say more; failures with their stack', alias: 'v' },
  help: { describe: 'show this', alias: 'h' },
  version: { describe: 'show the version', alias: undefined },
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

export function wordsOf(command: Command): readonly string[] {
  return parseUsage(command.usage).words;
}

/**
 * Parses what follows a command's words: one value an option, nothing swallowed, everything as it was typed.
 *
 * @throws FilerError `usage`
 */
export function parseCommandLine(
  program: string,
  commands: readonly Command[],
  command: Command,
  tokens: readonly string[],
): GivenArguments {
  const usage = parseUsage(command.usage);
  const help = [program, ...usage.words].join(' ');
  const options = optionsOf(command, usage);
  const { _: typed, '--': afterDashes, ...named } = parseTokens(help, options, tokens);
  const given = new Map<string, { label: string; texts: readonly string[] }>();
  for (const [name, texts] of Object.entries(named)) {
    const known = options.get(name);
    if (known !== undefined) given.set(known.key, { label: `--${name}`, texts });
    else if (!Object.hasOwn(GLOBAL_FLAGS, name)) throw unknownOption(help, options, name);
  }
  const { bound, excess } = bindPositionals(usage, typed ?? [], afterDashes ?? []);
  for (const [key, texts] of bound) given.set(key, { label: positionalLabel(key), texts });
  const [first] = excess;
  if (first !== undefined) throw excessError(program, commands, command, first);
  return given;
}

/** What to say about words that name no command. */
export function unknownCommand(
  program: string,
  commands: readonly Command[],
  words: readonly string[],
  next?: string,
): Error {
  const help = [program, ...words].join(' ');
  const following = [
    ...new Set(beginsWith(commands, words).flatMap((each) => wordsOf(each)[words.length] ?? [])),
  ];
  if (next === undefined) {
    const what =
      words.length === 0 ? 'a command is missing' : `"${help}" needs one of ${following.join(', ')}`;
    return usageError(what, help);
  }
  return usageError(
    `there is no command "${[...words, next].join(' ')}"${suggestion(next, following)}`,
    help,
  );
}

interface Option {
  readonly key: string;
  readonly argument: Argument<unknown>;
}

/** The options of a command by their names. */
export function optionsOf(command: Command, usage: Usage): Map<string, Option> {
  const positionals = new Set(usage.positionals.map((each) => each.key));
  return new Map(
    Object.entries(command.args).flatMap(([key, argument]) =>
      positionals.has(key) ? [] : [[argument.option ?? optionName(key), { key, argument }] as const],
    ),
  );
}

/**
 * yargs without its own ideas: no numbers, no lists, no guesses, no output, no exit. It is pinned to 18.0.0:
 * later ones measure text with a `string-width` whose regular expression takes 40 ms to compile at start.
 */
export function plainYargs(program: string): Argv {
  return yargs([])
    .scriptName(program)
    .detectLocale(false)
    .help(false)
    .version(false)
    .exitProcess(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'short-option-groups': false,
      'strip-aliased': true,
    });
}

function parseTokens(
  help: string,
  options: ReadonlyMap<string, Option>,
  tokens: readonly string[],
): Record<string, string[]> {
  const parser = plainYargs(help).fail((message) => {
    throw usageError(valueProblem(message), help);
  });
  for (const [name, { argument }] of options)
    declare(parser, name, argument.alias, argument.arity === 'flag');
  for (const [name, { alias }] of Object.entries(GLOBAL_FLAGS)) declare(parser, name, alias, true);
  const parsed: Record<string, unknown> = parser.parseSync(tokens.map(shield));
  delete parsed['$0'];
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([name, value]) =>
      value === undefined || value === false
        ? []
        : [[name, (Array.isArray(value) ? value : [value]).map(unshield)]],
    ),
  );
}

/** `-5` is a value, not an option: it is hidden from yargs behind a character that no argument can contain. */
function shield(token: string): string {
  return /^-[0-9.]/.test(token) ? `\0${token}` : token;
}

function unshield(value: unknown): string {
  return String(value).replace(/^\0/, '');
}

/** A flag takes no value, not even a `true` that follows it; an option takes exactly one. */
function declare(parser: Argv, name: string, alias: string | undefined, isFlag: boolean): void {
  parser.option(name, {
    ...(alias === undefined ? {} : { alias }),
    ...(isFlag ? { boolean: true, nargs: 0 } : { string: true, nargs: 1 }),
  });
}

function valueProblem(message: string): string {
  const name = /: (\S+)$/.exec(message)?.[1] ?? '';
  if (message.startsWith('Not enough arguments')) {
    return `--${name} needs a value (one that begins with a dash is written --${name}=VALUE)`;
  }
  if (message.startsWith('Argument unexpected')) return `--${name} takes no value`;
  return message;
}

function unknownOption(help: string, options: ReadonlyMap<string, Option>, name: string): Error {
  const dashes = name.length === 1 ? '-' : '--';
  const known = [...options.keys(), ...Object.keys(GLOBAL_FLAGS)];
  return usageError(`there is no option ${dashes}${name}${suggestion(name, known, '--')}`, help);
}

function excessError(program: string, commands: readonly Command[], command: Command, text: string): Error {
  const words = wordsOf(command);
  const following = beginsWith(commands, words).flatMap((each) => wordsOf(each)[words.length] ?? []);
  return usageError(
    `${JSON.stringify(text)} is more than "${program} ${command.usage}" takes${suggestion(text, following)}` +
      (command.usage.includes('<text>') ? ', put a text with spaces in quotes' : ''),
    [program, ...words].join(' '),
  );
}

function suggestion(wanted: string, known: readonly string[], prefix = ''): string {
  const near = nearNames(wanted, known).map((name) => `${prefix}${name}`);
  return near.length === 0 ? '' : `, did you mean ${near.join(' or ')}?`;
}

function isGlobal(token: string): boolean {
  const { json, quiet, verbose, help, version } = readGlobals([token]);
  return json || quiet || verbose || help || version;
}

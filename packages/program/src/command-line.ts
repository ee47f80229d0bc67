import yargs, { type Argv } from 'yargs';
import {
  bindPositionals,
  optionsOf,
  parseUsage,
  positionalLabel,
  usageError,
  type Option,
} from './binding.ts';
import type { GivenArguments } from './arguments.ts';
import type { Command, OpenCommand } from './command.ts';
import { beginsWith, GLOBAL_FLAGS, suggestion, wordsOf } from './selection.ts';

/**
 * Parses what follows a command's words: one value an option, nothing swallowed, everything as it was typed.
 *
 * @throws FilerError `usage`
 */
export function parseCommandLine(
  program: string,
  commands: readonly Command[],
  command: OpenCommand,
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
    else if (!Object.hasOwn(GLOBAL_FLAGS, name)) throw unknownOption(help, options, name, tokens);
  }
  const { bound, excess } = bindPositionals(usage, typed ?? [], afterDashes ?? []);
  for (const [key, texts] of bound) {
    const many = usage.positionals.some((each) => each.key === key && each.many);
    const label = positionalLabel({ key, many }, command.args[key]?.required === true);
    given.set(key, { label, texts });
  }
  const [first] = excess;
  if (first !== undefined) throw excessError(program, commands, command, first);
  return command.expand?.(given) ?? given;
}

/**
 * yargs without its own ideas: no numbers, no lists, no guesses, no output, no exit. It is pinned to 18.0.0:
 * later ones measure text with a `string-width` whose regular expression takes 40 ms to compile at start.
 */
function plainYargs(program: string): Argv {
  // It asks for the current folder otherwise, which may have been removed.
  return yargs([], '/')
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
  const option = `${name.length === 1 ? '-' : '--'}${name}`;
  if (message.startsWith('Not enough arguments')) {
    return `${option} needs a value (one that begins with a dash is written ${option}=VALUE)`;
  }
  if (message.startsWith('Argument unexpected')) return `${option} takes no value`;
  return message;
}

function unknownOption(
  help: string,
  options: ReadonlyMap<string, Option>,
  name: string,
  tokens: readonly string[],
): Error {
  const dashes = tokens.some((token) => token.replace(/=.*/s, '') === `-${name}`) ? '-' : '--';
  const known = [...options.keys(), ...Object.keys(GLOBAL_FLAGS)];
  return usageError(`there is no option ${dashes}${name}${suggestion(name, known, '--')}`, help);
}

function excessError(
  program: string,
  commands: readonly Command[],
  command: OpenCommand,
  text: string,
): Error {
  const words = wordsOf(command);
  const following = beginsWith(commands, words).flatMap((each) => wordsOf(each)[words.length] ?? []);
  return usageError(
    `${JSON.stringify(text)} is more than "${program} ${command.usage}" takes${suggestion(text, following)}` +
      (command.usage.includes('<text>') ? ', put a text with spaces in quotes' : ''),
    [program, ...words].join(' '),
  );
}

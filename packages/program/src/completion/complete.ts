import type { Argument } from '../arguments.ts';
import { optionsOf, parseUsage, type Option } from '../binding.ts';
import type { Command, OpenCommand } from '../command.ts';
import { printable } from '../printable.ts';
import type { Candidate, Completion } from './candidate.ts';
import { beginsWith, GLOBAL_FLAGS, selectCommand, separateFlags, wordsOf } from '../selection.ts';

/**
 * Looks up what a value may name.
 *
 * @param what the `completes` of the value's kind
 * @param typed what is there already; all of its candidates begin with it
 * @param others values of the same argument that stand before it
 */
export type CompletionSource = (
  what: string,
  typed: string,
  others: readonly string[],
) => Completion | Promise<Completion>;

const NOTHING: Completion = { candidates: [] };

/** Words of other machines that a terminal would draw as something else are not offered. */
const isHarmless = ({ text }: Candidate): boolean => printable(text) === text;

/**
 * What may stand at the cursor of a command line: the one function behind completion in shells.
 *
 * @param words what is typed after the program's name up to the cursor, as the program would get it; the last is the word
 *   at the cursor, empty where a new one begins
 */
export async function complete(
  commands: readonly Command[],
  words: readonly string[],
  source: CompletionSource,
): Promise<Completion> {
  const typed = words.at(-1) ?? '';
  const { candidates, paths } = await offered(commands, words.slice(0, -1), typed, source);
  const matching = candidates.filter((each) => each.text.startsWith(typed) && isHarmless(each));
  return { candidates: [...new Map(matching.map((each) => [each.text, each])).values()], paths };
}

async function offered(
  commands: readonly Command[],
  before: readonly string[],
  typed: string,
  source: CompletionSource,
): Promise<Completion> {
  const isHelp = before[0] === 'help';
  const argv = await separateFlags(commands, isHelp ? before.slice(1) : before);
  const { words, command: selected, tokens } = selectCommand(commands, argv);
  const command = await selected?.open();
  const options =
    command === undefined ? new Map<string, Option>() : optionsOf(command, parseUsage(command.usage));
  const { positionals, given, pending, afterDashes } = readTokens(options, tokens);
  if (pending !== undefined) return await valuesOf(pending, typed, '', source);
  if (!afterDashes && typed.startsWith('-')) {
    return await optionAt(options, given, typed, source);
  }
  const next = positionals.length === 0 && !afterDashes ? nextWords(commands, words, isHelp) : [];
  if (isHelp || command === undefined) return { candidates: next };
  const argument = positionalAt(command, positionals.length, afterDashes);
  if (argument === undefined) return { candidates: next };
  const values = await valuesOf(argument, typed, '', source, positionals);
  return { ...values, candidates: [...next, ...values.candidates] };
}

interface ReadTokens {
  readonly positionals: readonly string[];
  /** Names of the options that were given. */
  readonly given: ReadonlySet<string>;
  /** The option whose value stands at the cursor. */
  readonly pending: Argument<unknown> | undefined;
  readonly afterDashes: boolean;
}

function readTokens(options: ReadonlyMap<string, Option>, tokens: readonly string[]): ReadTokens {
  const positionals: string[] = [];
  const given = new Set<string>();
  let pending: Argument<unknown> | undefined;
  let afterDashes = false;
  for (const token of tokens) {
    const [name, option] = pending === undefined && !afterDashes ? optionNamed(options, token) : [];
    if (pending !== undefined) pending = undefined;
    else if (afterDashes) positionals.push(token);
    else if (token === '--') {
      afterDashes = true;
      positionals.length = 0;
    } else if (name !== undefined) {
      given.add(name);
      if (option?.argument.arity !== 'flag' && option !== undefined && !token.includes('='))
        pending = option.argument;
    } else if (!token.startsWith('-') || token === '-') positionals.push(token);
  }
  return { positionals, given, pending, afterDashes };
}

/** The option that a token begins, by its name or letter. */
function optionNamed(
  options: ReadonlyMap<string, Option>,
  token: string,
): [name: string, option: Option | undefined] | [] {
  const typed = token.replace(/=.*/s, '');
  if (!typed.startsWith('-')) return [];
  for (const [name, option] of options) {
    if (typed === `--${name}` || typed === `-${option.argument.alias}`) return [name, option];
  }
  const global = Object.entries(GLOBAL_FLAGS).find(
    ([name, { alias }]) => typed === `--${name}` || typed === `-${alias}`,
  );
  return global === undefined ? [] : [global[0], undefined];
}

/** Names of options, or the value of the one that the word names already: `--to=bo`, `-tbo`. */
async function optionAt(
  options: ReadonlyMap<string, Option>,
  given: ReadonlySet<string>,
  typed: string,
  source: CompletionSource,
): Promise<Completion> {
  const [, before = '', value = ''] = /^(--[a-z-]+=|-[A-Za-z]=?)([^]*)$/.exec(typed) ?? [];
  const [, option] = optionNamed(options, before.replace(/=$/, ''));
  if (option !== undefined && option.argument.arity !== 'flag' && typed !== before.replace(/=$/, '')) {
    return await valuesOf(option.argument, value, before, source);
  }
  const all: Candidate[] = [
    ...[...options].map(([name, { argument }]) => ({
      text: `--${name}`,
      about: argument.describe,
      isDone: given.has(name) && argument.arity !== 'many',
    })),
    ...Object.entries(GLOBAL_FLAGS).map(([name, { describe }]) => ({
      text: `--${name}`,
      about: describe,
      isDone: given.has(name),
    })),
  ].flatMap(({ isDone, ...candidate }) => (isDone ? [] : [candidate]));
  return { candidates: all };
}

/** The words of commands that may follow. */
function nextWords(commands: readonly Command[], words: readonly string[], isHelp: boolean): Candidate[] {
  const all = beginsWith(commands, words);
  const next = [...new Set(all.flatMap((each) => wordsOf(each)[words.length] ?? []))].map(
    (text): Candidate => {
      const below = all.filter((each) => wordsOf(each)[words.length] === text);
      const own = below.find((each) => wordsOf(each).length === words.length + 1);
      return {
        text,
        about: own?.describe ?? below.map((each) => wordsOf(each)[words.length + 1]).join(', '),
      };
    },
  );
  const help = words.length === 0 && !isHelp ? [{ text: 'help', about: 'show the help of a command' }] : [];
  return [...next, ...help];
}

function positionalAt(
  command: OpenCommand,
  index: number,
  afterDashes: boolean,
): Argument<unknown> | undefined {
  const { positionals } = parseUsage(command.usage);
  const ownDashes = positionals.some((each) => each.afterDashes);
  const eligible = ownDashes ? positionals.filter((each) => each.afterDashes === afterDashes) : positionals;
  const last = eligible.at(-1);
  const positional = eligible[index] ?? (last?.many === true ? last : undefined);
  return positional && command.args[positional.key];
}

/**
 * @param before what stands before the value in its word, such as `--to=`
 * @param others values of the same argument in other words
 */
async function valuesOf(
  { kind, arity, commas }: Argument<unknown>,
  typed: string,
  before: string,
  source: CompletionSource,
  others: readonly string[] = [],
): Promise<Completion> {
  if (kind === undefined) return NOTHING;
  const start = commas === true ? typed.slice(0, typed.lastIndexOf(',') + 1) : '';
  const last = typed.slice(start.length);
  const { candidates, paths } = await lookUp(kind, last, others, source);
  const there = new Set([...start.split(','), ...(arity === 'many' ? others : [])]);
  return {
    candidates: candidates
      .filter(({ text }) => text.startsWith(last) && !there.has(text))
      .map((each) => ({ ...each, text: `${before}${start}${each.text}` })),
    paths,
  };
}

async function lookUp(
  { choices, completes }: NonNullable<Argument<unknown>['kind']>,
  typed: string,
  others: readonly string[],
  source: CompletionSource,
): Promise<Completion> {
  if (choices !== undefined) return { candidates: choices.map((text) => ({ text })) };
  if (completes === undefined) return NOTHING;
  if (completes === 'file' || completes === 'folder') return { candidates: [], paths: completes };
  return await source(completes, typed, others);
}

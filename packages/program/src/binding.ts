import { FilerError } from '@filer/protocol';
import type { Argument, Arguments, ArgumentValues, GivenArguments } from './arguments.ts';

/** What a usage text says about a positional. */
export interface Positional {
  readonly key: string;
  readonly many: boolean;
  /** Stands after `--`. */
  readonly afterDashes: boolean;
}

/** A usage text taken apart: `share add <dir>` is two words and one positional. */
export interface Usage {
  readonly words: readonly string[];
  readonly positionals: readonly Positional[];
}

/** The option of an argument, without its dashes: `onConflict` is `on-conflict`, `timeoutMs` is `timeout`. */
export function optionName(key: string): string {
  return key.replace(/(Ms|Bytes)$/, '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** An option of a command: its key in the arguments, and what it takes. */
export interface Option {
  readonly key: string;
  readonly argument: Argument<unknown>;
}

/** The options of a command by their names. */
export function optionsOf(command: { readonly args: Arguments }, usage: Usage): Map<string, Option> {
  const positionals = new Set(usage.positionals.map((each) => each.key));
  return new Map(
    Object.entries(command.args).flatMap(([key, argument]) =>
      positionals.has(key) ? [] : [[argument.option ?? optionName(key), { key, argument }] as const],
    ),
  );
}

/** Each is asked for many times at a start. */
const parsed = new Map<string, Usage>();

/** Takes a usage text apart; one that is not well formed is a bug. */
export function parseUsage(text: string): Usage {
  const usage = parsed.get(text) ?? takenApart(text);
  parsed.set(text, usage);
  return usage;
}

function takenApart(usage: string): Usage {
  const words: string[] = [];
  const positionals: Positional[] = [];
  let afterDashes = false;
  for (const token of usage.split(' ')) {
    const match = /^[<[]?(--|[A-Za-z]+)(\.\.)?[>\]]?$/.exec(token);
    const [whole, key, dots] = match ?? [];
    if (key === '--') afterDashes = true;
    else if (key !== undefined && (afterDashes || /^[<[]/.test(token))) {
      positionals.push({ key, many: dots !== undefined, afterDashes });
    } else if (/^[a-z][a-z-]*$/.test(token) && positionals.length === 0) words.push(token);
    else throw new Error(`the usage "${usage}" has a part that is not understood: ${whole ?? token}`);
  }
  return { words, positionals };
}

/**
 * Gives each positional of a usage what was typed for it.
 *
 * @param typed before `--`
 * @param afterDashes after `--`
 * @returns what each got by key, and what is more than the usage takes
 */
export function bindPositionals(
  { positionals }: Usage,
  typed: readonly string[],
  afterDashes: readonly string[],
): { bound: Map<string, string[]>; excess: string[] } {
  const ownDashes = positionals.some((each) => each.afterDashes);
  const before = ownDashes ? [...typed] : [...typed, ...afterDashes];
  const after = ownDashes ? [...afterDashes] : [];
  const bound = new Map<string, string[]>();
  for (const { key, many, afterDashes: isAfter } of positionals) {
    const source = isAfter ? after : before;
    bound.set(key, source.splice(0, many ? source.length : 1));
  }
  return { bound, excess: [...before, ...after] };
}

/**
 * Reads every argument of the table.
 *
 * @throws FilerError `usage` for the first that is wrong or missing
 */
export function readArguments<A extends Arguments>(
  args: A | undefined,
  given: GivenArguments,
): ArgumentValues<A> {
  const values = Object.entries(args ?? {}).map(([key, argument]) => {
    const { label, texts } = given.get(key) ?? { label: `--${optionName(key)}`, texts: [] };
    return [key, argument.read(texts, label)] as const;
  });
  // Each key of the table has got what its own `read` returned.
  return Object.fromEntries(values) as ArgumentValues<A>;
}

/** How a person knows a positional, as usage and help show it: `<target>`, `[ids..]`. */
export function positionalLabel(
  { key, many }: Pick<Positional, 'key' | 'many'>,
  isRequired: boolean,
): string {
  const label = `${key}${many ? '..' : ''}`;
  return isRequired ? `<${label}>` : `[${label}]`;
}

/** A usage error that names the help to look at. */
export function usageError(message: string, help: string): FilerError {
  return new FilerError('usage', `${message}; see ${help} --help`);
}

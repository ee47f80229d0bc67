import { FilerError } from '@filer/protocol';
import type { Kind } from './kinds.ts';

/** One positional or option of a command: what is said about it, and how what was typed becomes a value. */
export interface Argument<T> {
  readonly describe: string;
  /** How often it may be given. */
  readonly arity: 'flag' | 'one' | 'many';
  readonly required: boolean;
  /** Name of the option where it is not the key's. */
  readonly option?: string;
  /** One letter. */
  readonly alias?: string;
  /** What a person would type for the value that is taken otherwise. */
  readonly fallback?: string;
  /** Whether `a,b` are two values. */
  readonly commas?: boolean;
  /** Name of the setting that it sets: the key of the configuration file. */
  readonly setting?: string;
  /** What its values are; a flag has none. */
  readonly kind?: Kind<unknown>;
  /**
   * @param given what was typed, in order; `['']` for a flag
   * @param label how a person knows it: `--limit`, `<target>`
   * @throws FilerError `usage`
   */
  readonly read: (given: readonly string[], label: string) => T;
}

/** A table of arguments, by key. The option of key `onConflict` is `--on-conflict`. */
export type Arguments = Readonly<Record<string, Argument<unknown>>>;

/** The values that a table of arguments yields. */
export type ArgumentValues<A extends Arguments> = {
  readonly [K in keyof A]: A[K] extends Argument<infer T> ? T : never;
};

interface Extras {
  readonly alias?: string;
}

/** A value that must be given. */
export function required<T>(kind: Kind<T>, describe: string, extras: Extras = {}): Argument<T> {
  return {
    ...extras,
    kind,
    describe,
    arity: 'one',
    required: true,
    read: (given, label) => readOne(kind, given, label) ?? missing(kind, label),
  };
}

/** A value that may be left out. */
export function optional<T>(kind: Kind<T>, describe: string, extras: Extras = {}): Argument<T | undefined> {
  return {
    ...extras,
    kind,
    describe,
    arity: 'one',
    required: false,
    read: (given, label) => readOne(kind, given, label),
  };
}

/** A value with another one to fall back on, written as a person would type it. */
export function defaulted<T>(
  kind: Kind<T>,
  fallback: string,
  describe: string,
  extras: Extras = {},
): Argument<T> {
  return {
    ...extras,
    kind,
    describe,
    arity: 'one',
    required: false,
    fallback,
    read: (given, label) =>
      readOne(kind, given.length === 0 ? [fallback] : given, label) ?? kind.parse(fallback),
  };
}

interface ListExtras extends Extras {
  /** At least one must be given. @default false */
  readonly required?: boolean;
  /** `a,b` are two values, as far as an option goes; a positional is never split. @default false */
  readonly commas?: boolean;
}

/** Any number of values: an option once for each, or the positionals at the end. */
export function list<T>(kind: Kind<T>, describe: string, extras: ListExtras = {}): Argument<readonly T[]> {
  const { commas = false, required: atLeastOne = false, ...rest } = extras;
  return {
    ...rest,
    kind,
    commas,
    describe,
    arity: 'many',
    required: atLeastOne,
    read: (given, label) => {
      const split = commas && label.startsWith('--') ? given.flatMap((text) => text.split(',')) : given;
      if (atLeastOne && split.length === 0) missing(kind, label);
      return split.map((text) => readValue(kind, text, label));
    },
  };
}

/** An option without a value. */
export function flag(describe: string, extras: Extras = {}): Argument<boolean> {
  return { ...extras, describe, arity: 'flag', required: false, read: (given) => given.length > 0 };
}

function readOne<T>(kind: Kind<T>, given: readonly string[], label: string): T | undefined {
  const [text] = given;
  if (given.length > 1)
    throw new FilerError('usage', `${label} was given ${given.length} times, give it once`);
  return text === undefined ? undefined : readValue(kind, text, label);
}

/** Reads one value, or says what a right one looks like. */
export function readValue<T>(kind: Kind<T>, text: string, label: string): T {
  try {
    return kind.parse(text);
  } catch (error) {
    const given = kind.isSecret === true ? '' : `, not ${JSON.stringify(text)}`;
    throw new FilerError('usage', `${label} takes ${kind.expects}${given}`, { cause: error });
  }
}

function missing(kind: Kind<unknown>, label: string): never {
  throw new FilerError('usage', `${label} is missing, it takes ${kind.expects}`);
}

/** What was typed for each argument, by key. */
export type GivenArguments = ReadonlyMap<
  string,
  { readonly label: string; readonly texts: readonly string[] }
>;

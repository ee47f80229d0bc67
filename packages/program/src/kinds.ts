import { DURATION_EXAMPLES, parseDuration } from './durations.ts';
import { parseRate, parseSize, SIZE_EXAMPLES } from './sizes.ts';

/** How one value is written by a person: in a flag, a variable or the configuration file. */
export interface Kind<T> {
  /** A right value, to follow the word "takes": `a duration such as 10s`. */
  readonly expects: string;
  /** What stands for a value in the help, such as `duration`, or all of its choices: `rename|skip`. */
  readonly value: string;
  /** All right values, where there are only a few. */
  readonly choices?: readonly string[];
  /** What the value names, for completion: a key of the program's `CompletionSources`. */
  readonly completes?: string;
  /** Whether the value stands bare (not as a string) in a TOML file. */
  readonly bare: boolean;
  /** A wrong one may hold a password: it is not repeated. @default false */
  readonly isSecret?: boolean;
  /** @throws anything, when `text` is not a right value */
  readonly parse: (text: string) => T;
}

/** What help and completion know of a kind beside `expects`. */
type Hints = Pick<Partial<Kind<unknown>>, 'value' | 'completes' | 'isSecret'>;

/**
 * A value whose rule is known elsewhere, such as an address; `parse` throws on a wrong one.
 *
 * @param hints `value` is the noun that `expects` begins with, unless given
 */
export function customKind<T>(expects: string, parse: (text: string) => T, hints: Hints = {}): Kind<T> {
  return { expects, value: nounOf(expects), bare: false, parse, ...hints };
}

/** Taken as typed, but not empty. */
export function textKind(expects: string, hints: Hints = {}): Kind<string> {
  const parse = (text: string): string => {
    if (text === '') throw new RangeError('empty');
    return text;
  };
  return customKind(expects, parse, hints);
}

/** `a duration such as 10s` is `duration`, `HOST:PORT` is `host:port`. */
function nounOf(expects: string): string {
  const [, noun = 'value'] = /^(?:an? |the )?(?:new )?([^\s,]+)/.exec(expects) ?? [];
  return noun.toLowerCase();
}

/** Taken as typed, even if empty. */
export const ANY_TEXT: Kind<string> = customKind('a text', (text) => text);

/** Milliseconds. */
export const DURATION: Kind<number> = customKind(`a duration such as ${DURATION_EXAMPLES}`, parseDuration);

/** Milliseconds, for what is over at once after none. */
export const LASTING: Kind<number> = customKind(`a duration above 0 such as ${DURATION_EXAMPLES}`, (text) => {
  const ms = parseDuration(text);
  if (ms < 1) throw new RangeError('out of bounds');
  return ms;
});

/** Bytes. */
export const SIZE: Kind<number> = customKind(`a size such as ${SIZE_EXAMPLES}`, parseSize);

/** Bytes a second. */
export const RATE: Kind<number> = customKind('a rate such as 500KiB/s or 20MB/s', parseRate);

/** A port to listen on; 0 lets the system choose. */
export const PORT: Kind<number> = integerKind({ min: 0, max: 65_535, example: 10_901 });

/** `true` or `false`. */
export const TOGGLE: Kind<boolean> = {
  expects: 'true or false',
  value: 'true|false',
  choices: ['true', 'false'],
  bare: true,
  parse: (text) => {
    if (text !== 'true' && text !== 'false') throw new RangeError('neither true nor false');
    return text === 'true';
  },
};

/** A whole number within bounds, in decimal digits only. */
export function integerKind(bounds: { min: number; max: number; example: number }): Kind<number> {
  const { min, max, example } = bounds;
  return {
    expects: `a whole number from ${min} to ${max} such as ${example}`,
    value: 'number',
    bare: true,
    parse: (text) => {
      const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= min && value <= max)) throw new RangeError('out of bounds');
      return value;
    },
  };
}

/** One of a few words. */
export function choiceKind<const T extends string>(choices: readonly T[]): Kind<T> {
  const parse = (text: string): T => {
    const choice = choices.find((each) => each === text);
    if (choice === undefined) throw new RangeError('not among them');
    return choice;
  };
  return { ...customKind(`one of ${choices.join(', ')}`, parse, { value: choices.join('|') }), choices };
}

/*
 * The fields of a message, as its declaration names them: what reads and writes each, and what the tables of
 * docs/protocol.md say of it. A header's values are strings; those of a JSON content are what JSON knows.
 */
import { FilerError } from '../errors.ts';
import { parseInteger } from '../header.ts';
import { oneOf, textOf, type Fields, type TextRule } from './json.ts';

/** Whether a field must be there; `default` has a value when it is left out. */
export type Presence = 'required' | 'optional' | 'default';

/** What a table says of one key. */
export interface FieldRow {
  readonly key: string;
  readonly type: string;
  /** `required`, `optional`, or the value of a key that is left out. */
  readonly presence: string;
  readonly limit: string;
}

/** One field of a message or of an object in its content; some are written under more than one key. */
export interface Field<T, P extends Presence = Presence> {
  readonly presence: P;
  rows(key: string): readonly FieldRow[];
  /**
   * @param prefix stands before the key in an error
   * @returns undefined for an optional one that is not there
   * @throws FilerError `message-malformed`
   */
  read(from: Fields, key: string, prefix: string): T;
  write(value: T, key: string, to: Record<string, unknown>): void;
}

/** The fields of a header or an object, by key, in the order in which they are written. */
export type FieldSet = Readonly<Record<string, Field<unknown>>>;

type ValueIn<F> = F extends Field<infer T> ? Exclude<T, undefined> : never;
type KeysOf<S extends FieldSet, P extends Presence> = {
  [K in keyof S]: S[K]['presence'] extends P ? K : never;
}[keyof S];

/** What is read of a set of fields. */
export type ValueOf<S extends FieldSet> = {
  readonly [K in KeysOf<S, 'required' | 'default'>]: ValueIn<S[K]>;
} & { readonly [K in KeysOf<S, 'optional'>]?: ValueIn<S[K]> };

/** What is written of it: a field that may be left out may be undefined. */
export type GivenOf<S extends FieldSet> = { readonly [K in KeysOf<S, 'required'>]: ValueIn<S[K]> } & {
  readonly [K in KeysOf<S, 'optional' | 'default'>]?: ValueIn<S[K]> | undefined;
};

interface Form<T> {
  readonly type: string;
  readonly limit?: string;
  readonly read: (value: unknown, what: string) => T;
  readonly write?: (value: T) => unknown;
}

/** A field under one key that must be there. */
export function field<T>({ type, limit = '', read, write }: Form<T>): Field<T, 'required'> {
  return {
    presence: 'required',
    rows: (key) => [{ key, type, presence: 'required', limit }],
    read: (from, key, prefix) => {
      const value = from[key];
      if (value === undefined) throw new FilerError('message-malformed', `${prefix}${key} is missing`);
      return read(value, prefix === '' ? key : prefix + key);
    },
    write: (value, key, to) => {
      to[key] = write === undefined ? value : write(value);
    },
  };
}

/** The same, where it may be left out. */
export function optional<T>(inner: Field<T, 'required'>): Field<T | undefined, 'optional'> {
  return {
    presence: 'optional',
    rows: (key) => inner.rows(key).map((row) => ({ ...row, presence: 'optional' })),
    read: (from, key, prefix) => (from[key] === undefined ? undefined : inner.read(from, key, prefix)),
    write: (value, key, to) => {
      if (value !== undefined) inner.write(value, key, to);
    },
  };
}

/** The same, with the value that it has when it is left out; it is always written. */
export function withDefault<T>(inner: Field<T, 'required'>, value: T, shown: string): Field<T, 'default'> {
  return {
    ...inner,
    presence: 'default',
    rows: (key) => inner.rows(key).map((row) => ({ ...row, presence: shown })),
    read: (from, key, prefix) => (from[key] === undefined ? value : inner.read(from, key, prefix)),
  };
}

export function text(rule: TextRule & { readonly form?: string } = {}): Field<string, 'required'> {
  const { max = 1024, pattern, form } = rule;
  const limit = form ?? (pattern === undefined ? `${max} UTF-16 units` : `\`${pattern.source}\``);
  return field({ type: 'text', limit, read: (value, what) => textOf(value, what, rule) });
}

/** One of the words given. */
export function word<const W extends string>(words: readonly W[]): Field<W, 'required'> {
  return field({
    type: 'word',
    limit: words.map((each) => `\`${each}\``).join(', '),
    read: (value, what) => oneOf(value, words, what),
  });
}

/** An integer of a header, in decimal. */
export function integer(min = 0, max = Number.MAX_SAFE_INTEGER): Field<number, 'required'> {
  return field<number>({
    type: 'integer',
    limit: max === Number.MAX_SAFE_INTEGER ? (min === 0 ? '' : `at least ${min}`) : `${min} to ${max}`,
    read: (value, what) => {
      const number = parseInteger(String(value), what);
      if (number >= min && number <= max) return number;
      throw new FilerError('message-malformed', `${what} is not an integer from ${min} to ${max}`);
    },
    write: String,
  });
}

/** A flag of a header: `1` when it is set. */
export function flag(): Field<boolean, 'default'> {
  return {
    presence: 'default',
    rows: (key) => [{ key, type: 'flag', presence: 'not set', limit: '`1`' }],
    read: (from, key) => from[key] === '1',
    write: (value, key, to) => {
      if (value) to[key] = '1';
    },
  };
}

/** An id of a request, which its answer repeats as `re`. */
export function requestId(): Field<string, 'required'> {
  return text({ max: 64 });
}

/** Reads fields one after the other. @throws FilerError `message-malformed` */
export function readFields(
  fields: readonly (readonly [string, Field<unknown>])[],
  from: Fields,
  prefix: string,
  into: Record<string, unknown>,
): void {
  for (const [key, each] of fields) {
    const value = each.read(from, key, prefix);
    if (value !== undefined) into[key] = value;
  }
}

export function writeFields(
  fields: readonly (readonly [string, Field<unknown>])[],
  value: Readonly<Record<string, unknown>>,
  to: Record<string, unknown>,
): void {
  for (const [key, each] of fields) {
    const given = value[key];
    if (given !== undefined) each.write(given, key, to);
  }
}

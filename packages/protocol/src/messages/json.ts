/*
 * Reading JSON contents at the door. A field is taken only as an own property, so a key such as `__proto__`
 * or `constructor` in another machine's document is never more than an unknown key.
 */
import { FilerError, messageOf } from '../errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface Fields {
  readonly [key: string]: unknown;
}

function malformed(what: string, problem: string): FilerError {
  return new FilerError('message-malformed', `${what} ${problem}`);
}

/**
 * @param what names the document in the error
 * @param maxBytes what is larger is not read: it would block the event loop
 * @throws FilerError `message-malformed`
 */
export function parseJson(content: Uint8Array, what: string, maxBytes: number): unknown {
  if (content.length > maxBytes) {
    throw malformed(what, `is ${content.length} bytes, the limit is ${maxBytes}`);
  }
  try {
    return JSON.parse(utf8.decode(content));
  } catch (error) {
    throw new FilerError('message-malformed', `${what} is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

export function formatJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

/** An object's own fields. @throws FilerError `message-malformed` */
export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(what, 'is not an object');
  }
  return Object.assign(Object.create(null) as Record<string, unknown>, value);
}

export interface TextRule {
  /** In UTF-16 units. @default 1024 */
  readonly max?: number;
  readonly pattern?: RegExp;
}

/** A well-formed string within the rule. @throws FilerError `message-malformed` */
export function textOf(value: unknown, what: string, rule: TextRule = {}): string {
  const { max = 1024, pattern } = rule;
  if (typeof value !== 'string') throw malformed(what, 'is not a string');
  if (value.length > max) throw malformed(what, `is longer than ${max} characters`);
  if (!value.isWellFormed()) throw malformed(what, 'is ill-formed Unicode');
  if (pattern !== undefined && !pattern.test(value)) throw malformed(what, 'has not the form it must have');
  return value;
}

/** An integer from `min` to `max`. @throws FilerError `message-malformed` */
export function integerOf(value: unknown, what: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw malformed(what, `is not an integer from ${min} to ${max}`);
  }
  return value;
}

/** An array of at most `max`, each read by `read`. @throws FilerError `message-malformed` */
export function listOf<T>(
  value: unknown,
  what: string,
  max: number,
  read: (item: unknown, what: string) => T,
): T[] {
  if (!Array.isArray(value)) throw malformed(what, 'is not a list');
  if (value.length > max) throw malformed(what, `has more than ${max} entries`);
  return value.map((item: unknown, index) => read(item, `${what}[${index}]`));
}

/** One of the words given. @throws FilerError `message-malformed` */
export function oneOf<const T extends string>(value: unknown, words: readonly T[], what: string): T {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw malformed(what, `is not one of ${words.join(', ')}`);
  return word;
}

import { isUtf8 } from 'node:buffer';
import { FilerError } from './errors.ts';
import { MAX_HEADER_BYTES, MAX_HEADER_KEYS } from './limits.ts';

/** A flat dictionary, string to string. A received one inherits nothing: no key of it can reach a method. */
export type Header = Readonly<Record<string, string>>;

const KEY = /^[a-z][a-zA-Z0-9_-]{0,63}$/;
const INTEGER = /^(?:0|[1-9][0-9]{0,15})$/;

// One pair and what follows it. Strings are unrolled (plain run, escape, plain run…) so that a long value
// costs one pass, and JSON's own rule holds: no raw control character inside.
const STRING = String.raw`"([^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*)"`;
const SPACE = String.raw`[ \t\r\n]*`;
const PAIR = new RegExp(`${SPACE}${STRING}${SPACE}:${SPACE}${STRING}${SPACE}([,}])`, 'y');
const OPEN = new RegExp(`${SPACE}\\{`, 'y');
const EMPTY = new RegExp(`^${SPACE}\\{${SPACE}\\}${SPACE}$`);
const REST = new RegExp(`${SPACE}$`, 'y');

/** What a received header inherits from. V8 fills such an object twice as fast as one without a prototype. */
const NOTHING: object = Object.freeze(Object.create(null) as object);

function noPairs(): Record<string, string> {
  return Object.create(NOTHING) as Record<string, string>;
}

const NO_PAIRS: Header = Object.freeze(noPairs());

function malformed(what: string): FilerError {
  return new FilerError('frame-malformed', `the header ${what}`);
}

function unescapeString(raw: string): string {
  if (!raw.includes('\\')) return raw;
  const text: unknown = JSON.parse(`"${raw}"`);
  if (typeof text !== 'string' || !text.isWellFormed()) throw malformed('holds ill-formed Unicode');
  return text;
}

/**
 * Reads the header of one frame: UTF-8 JSON, one object, every value a string, no key twice.
 *
 * @param bytes the header's bytes, at most `MAX_HEADER_BYTES`; none means an empty header
 * @throws FilerError `frame-malformed`
 */
export function parseHeader(bytes: Buffer): Header {
  if (bytes.length === 0) return NO_PAIRS;
  const text = bytes.toString('utf8');
  // A byte that is not UTF-8 became U+FFFD; few texts hold that character, so few are checked twice.
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw malformed('is not UTF-8');
  return parseCompact(text) ?? parsePairs(text);
}

/**
 * The header as nearly everyone writes it: without spaces and escapes. `JSON.parse` keeps the last of repeated
 * keys in silence, but then the pairs it returns are shorter than the text.
 *
 * @returns undefined for any other text, which `parsePairs` reads or refuses
 */
function parseCompact(text: string): Header | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const header = noPairs();
  let length = 1;
  let keys = 0;
  for (const [key, value] of Object.entries(parsed)) {
    if (typeof value !== 'string' || !isKey(key)) return undefined;
    header[key] = value;
    length += key.length + value.length + 6; // "":"", and the comma or brace after it
    keys++;
  }
  return length === text.length && keys <= MAX_HEADER_KEYS ? header : undefined;
}

/** The same one pair at a time, for every legal text; says what is wrong with the others. */
function parsePairs(text: string): Header {
  OPEN.lastIndex = 0;
  if (!OPEN.test(text)) throw malformed('is not a JSON object');
  if (EMPTY.test(text)) return NO_PAIRS;

  const header = noPairs();
  let at = OPEN.lastIndex;
  for (let keys = 1; ; keys++) {
    if (keys > MAX_HEADER_KEYS) throw malformed(`has more than ${MAX_HEADER_KEYS} keys`);
    PAIR.lastIndex = at;
    const pair = PAIR.exec(text);
    if (pair === null) throw malformed('is not a flat JSON object of strings');
    const [, rawKey = '', rawValue = '', next] = pair;
    const key = unescapeString(rawKey);
    if (!isKey(key)) throw malformed('has a key that is not of the form [a-z][a-zA-Z0-9_-]{0,63}');
    if (header[key] !== undefined) throw malformed(`has the key ${key} twice`);
    header[key] = unescapeString(rawValue);
    at = PAIR.lastIndex;
    if (next === '}') break;
  }
  REST.lastIndex = at;
  if (!REST.test(text)) throw malformed('has bytes after its object');
  return header;
}

/** Keys that were found well-formed: the same few come in every message. */
const knownKeys = new Set<string>();
const MAX_KNOWN_KEYS = 1024;

function isKey(key: string): boolean {
  if (knownKeys.has(key)) return true;
  if (!KEY.test(key)) return false;
  if (knownKeys.size < MAX_KNOWN_KEYS) knownKeys.add(key);
  return true;
}

/**
 * The bytes of a header as they travel: none for an empty one.
 *
 * @throws FilerError `frame-malformed` for a key, value or count that no receiver would take,
 *   `frame-too-large` above `MAX_HEADER_BYTES`
 */
export function formatHeader(header: Header): Buffer {
  return Buffer.from(headerText(header));
}

/** The same as text, which is to be written as UTF-8. @throws FilerError as `formatHeader` */
export function headerText(header: Header): string {
  const keys = Object.keys(header);
  if (keys.length === 0) return '';
  if (keys.length > MAX_HEADER_KEYS) throw malformed(`has more than ${MAX_HEADER_KEYS} keys`);
  for (const key of keys) {
    const value: unknown = header[key];
    if (!isKey(key))
      throw malformed(`key ${JSON.stringify(key)} is not of the form [a-z][a-zA-Z0-9_-]{0,63}`);
    if (typeof value !== 'string') throw malformed(`value of ${key} is not a string`);
    if (!value.isWellFormed()) throw malformed(`value of ${key} is ill-formed Unicode`);
  }
  const text = JSON.stringify(header);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_HEADER_BYTES) {
    throw new FilerError('frame-too-large', `the header is ${bytes} bytes, the limit is ${MAX_HEADER_BYTES}`);
  }
  return text;
}

/** A message is a header and a content (which may be empty). */
export interface Message {
  readonly header: Header;
  readonly content: Buffer;
}

/**
 * An integer as it travels in a header: decimal, no sign, no leading zero, at most 2^53 - 1. `Number()` alone
 * would take `0x10`, ` 12 ` and `1e9`.
 *
 * @throws FilerError `message-malformed`
 */
export function parseInteger(text: string, what = 'an integer'): number {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new FilerError('message-malformed', `${what} must be a decimal integer from 0 to 2^53 - 1`);
  }
  return value;
}

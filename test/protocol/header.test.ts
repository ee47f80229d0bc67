import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  MAX_HEADER_BYTES,
  MAX_HEADER_KEYS,
  formatHeader,
  parseHeader,
  parseInteger,
  type Header,
} from '@filer/protocol';
import { codeOf } from './outcome.ts';

const parse = (text: string): Header => parseHeader(Buffer.from(text, 'utf8'));

const key = fc.stringMatching(/^[a-z][a-zA-Z0-9_-]{0,63}$/);
const header = fc.dictionary(key, fc.string({ unit: 'grapheme', maxLength: 60 }), {
  maxKeys: 20,
  noNullPrototype: true,
});

test('any legal header comes back as it was', () => {
  fc.assert(
    fc.property(header, (pairs) => {
      expect({ ...parseHeader(formatHeader(pairs)) }).toEqual(pairs);
    }),
  );
});

test('a header reads the same with and without spaces and escapes', () => {
  const escaped = (text: string): string =>
    `"${unitsOf(text)
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join('')}"`;
  fc.assert(
    fc.property(header, fc.constantFrom('', ' ', '\n\t', '\r\n'), (pairs, space) => {
      const text = Object.entries(pairs)
        .map(([name, value]) => `${space}${escaped(name)}${space}:${space}${escaped(value)}${space}`)
        .join(',');
      expect({ ...parse(`${space}{${text}}${space}`) }).toEqual(pairs);
    }),
  );
});

function unitsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}

test('whatever JSON a header is, it is read as JSON.parse reads it or refused', () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string()), fc.boolean());
  fc.assert(
    fc.property(fc.dictionary(fc.oneof(key, fc.string()), value), (object) => {
      const text = JSON.stringify(object);
      const legal = Object.entries(object).every(
        ([name, item]) => /^[a-z][a-zA-Z0-9_-]{0,63}$/.test(name) && typeof item === 'string',
      );
      expect(codeOf(() => parse(text))).toBe(legal ? 'none' : 'frame-malformed');
      fc.pre(legal);
      expect({ ...parse(text) }).toEqual({ ...object });
    }),
  );
});

test('any bytes give a header or a FilerError, and nothing else', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '"',
    ':',
    ',',
    '\\',
    '\\u00',
    'a',
    '"a":"b"',
    ' ',
    '[',
    '\0',
    'é',
    '1',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array)),
    fc.array(piece, { maxLength: 20 }).map((pieces) => Buffer.from(pieces.join(''))),
  );
  fc.assert(
    fc.property(bytes, (garbage) => {
      expect(['none', 'frame-malformed']).toContain(codeOf(() => parseHeader(garbage)));
    }),
    { numRuns: 2_000 },
  );
});

test('a received header inherits nothing', () => {
  for (const text of ['{"a":"b"}', '{ "a" : "b" }', '{}', '']) {
    const received = parse(text);
    expect('toString' in received).toBe(false);
    expect('constructor' in received).toBe(false);
    expect('__proto__' in received).toBe(false);
    expect(received instanceof Object).toBe(false);
  }
});

test('the empty header is shared, and no one can write to it', () => {
  expect(() => Object.assign(parse(''), { a: 'b' })).toThrow(TypeError);
  expect(() => Object.assign(parse('{}'), { a: 'b' })).toThrow(TypeError);
});

test('an empty header takes no bytes', () => {
  expect(formatHeader({})).toHaveLength(0);
});

test('a header of the largest size is read and written, and one byte more is not written', () => {
  const largest = { v: 'x'.repeat(MAX_HEADER_BYTES - '{"v":""}'.length) };
  expect(formatHeader(largest)).toHaveLength(MAX_HEADER_BYTES);
  expect(parseHeader(formatHeader(largest))['v']).toHaveLength(largest.v.length);
  expect(() => formatHeader({ v: `${largest.v}x` })).toThrow(
    expect.objectContaining({
      code: 'frame-too-large',
      message: expect.stringMatching(/65537.* 65536/) as string,
    }),
  );
});

test('a header of the largest size made of escapes alone is read', () => {
  const escapes = Math.floor((MAX_HEADER_BYTES - 8) / 2);
  expect(parse(`{"v":"${'\\n'.repeat(escapes)}"}`)['v']).toHaveLength(escapes);
});

test.each([
  ['a key that begins with a capital', { Type: 'a' }],
  ['an empty key', { '': 'a' }],
  ['a key of 65 characters', { ['k'.repeat(65)]: 'a' }],
  ['__proto__', Object.fromEntries([['__proto__', 'a']])],
  ['a value that is a number', { a: 1 }],
  ['a value that is undefined', { a: undefined }],
  ['a lone surrogate', { a: '\ud800' }],
  [
    'more keys than a receiver takes',
    Object.fromEntries(Array.from({ length: MAX_HEADER_KEYS + 1 }, (_, index) => [`k${index}`, ''])),
  ],
])('a header with %s is not sent', (_, pairs) => {
  // What a caller in JavaScript may hand over.
  expect(codeOf(() => Reflect.apply(formatHeader, undefined, [pairs]))).toBe('frame-malformed');
});

test.each([
  ['0', 0],
  ['12', 12],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
])('the integer %s is taken', (text, value) => {
  expect(parseInteger(text)).toBe(value);
});

test.each([
  '0x10',
  ' 12 ',
  '12 ',
  '1e9',
  '-0',
  '-1',
  '+1',
  '00',
  '01',
  '1.0',
  '1.5',
  '',
  'NaN',
  'Infinity',
  '१',
])('the integer %j is refused', (text) => {
  expect(() => parseInteger(text)).toThrow(expect.objectContaining({ code: 'message-malformed' }));
});

test.each(['9007199254740992', '9007199254740993', '9999999999999999', '10000000000000000', '1'.repeat(400)])(
  'the integer %s is too large to be exact and is refused',
  (text) => {
    expect(() => parseInteger(text, 'size')).toThrow(/\bsize\b.* 2\^53/);
  },
);

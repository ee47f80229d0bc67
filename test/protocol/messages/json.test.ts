import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldsOf, formatJson, integerOf, listOf, parseJson, textOf } from '@filer/protocol';
import { codeOf } from '../outcome.ts';

const read = (text: string): unknown => parseJson(Buffer.from(text), 'it', 200_000);

test('any JSON comes back', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const text = JSON.stringify(value);
      fc.pre(text.isWellFormed());
      expect(JSON.stringify(parseJson(formatJson(value), 'it', 200_000))).toBe(text);
    }),
  );
});

test('any bytes give a value or `message-malformed`', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(['none', 'message-malformed']).toContain(codeOf(() => parseJson(bytes, 'it', 60)));
    }),
  );
});

test.each(['', '{', '\ufeff{}', "{'a':1}", '{"a":1}x', 'NaN'])('%j is not JSON', (text) => {
  expect(codeOf(() => read(text))).toBe('message-malformed');
});

test('bytes that are not UTF-8 are refused', () => {
  expect(codeOf(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 'it', 3))).toBe('message-malformed');
});

test('what is larger than its family may be is not read', () => {
  expect(parseJson(Buffer.from('[1]'), 'it', 3)).toEqual([1]);
  expect(() => parseJson(Buffer.from('[10]'), 'it', 3)).toThrow('it is 4 bytes, the limit is 3');
});

test('brackets nested as deep as a content allows neither crash nor hang', () => {
  expect(codeOf(() => fieldsOf(read('['.repeat(60_000) + ']'.repeat(60_000)), 'it'))).toBe(
    'message-malformed',
  );
});

test('a key that objects inherit is only a key', () => {
  const fields = fieldsOf(read('{"__proto__":{"admin":true},"a":1}'), 'it');
  expect(fields['admin']).toBeUndefined();
  expect(fields['toString']).toBeUndefined();
  expect(fields['constructor']).toBeUndefined();
  expect(fields['a']).toBe(1);
});

test.each([null, [], 'a', 1, true, undefined])('%j has no fields', (value) => {
  expect(codeOf(() => fieldsOf(value, 'it'))).toBe('message-malformed');
});

test('a text is bounded, well-formed, and of its pattern', () => {
  expect(textOf('abc', 'it', { max: 3, pattern: /^[a-c]+$/ })).toBe('abc');
  expect(codeOf(() => textOf('abcd', 'it', { max: 3 }))).toBe('message-malformed');
  expect(codeOf(() => textOf('abd', 'it', { pattern: /^[a-c]+$/ }))).toBe('message-malformed');
  expect(codeOf(() => textOf('\ud800', 'it'))).toBe('message-malformed');
  expect(codeOf(() => textOf(['abc'], 'it'))).toBe('message-malformed');
});

test.each([-1, 1.5, Number.NaN, 2 ** 53, '1', null, 11])('%j is not an integer from 0 to 10', (value) => {
  expect(codeOf(() => integerOf(value, 'it', 0, 10))).toBe('message-malformed');
});

test('a list is bounded, and its bad item is named', () => {
  expect(listOf(['a', 'b'], 'it', 2, textOf)).toEqual(['a', 'b']);
  expect(codeOf(() => listOf(['a', 'b', 'c'], 'it', 2, textOf))).toBe('message-malformed');
  expect(codeOf(() => listOf({ length: 1 }, 'it', 2, textOf))).toBe('message-malformed');
  expect(() => listOf(['a', 1], 'it', 2, textOf)).toThrow('it[1] is not a string');
});

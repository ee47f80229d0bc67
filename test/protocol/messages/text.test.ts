import { expect, test } from 'vitest';
import { formatBroadcasted, formatText, parseBroadcasted, parseTextMessage } from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { text, withContent, withHeader } from './documents.ts';

test('a text comes back, to one and to many', () => {
  expect(parseTextMessage(formatText(text))).toEqual(text);
  expect(formatText(text).header['type']).toBe('text');
  expect(formatText(text, 'broadcast').header['type']).toBe('broadcast');
});

test('the longest text of control characters, six bytes each as JSON, comes back', () => {
  const long = { ...text, text: '\u0001'.repeat(16 * 1024) };
  expect(parseTextMessage(formatText(long))).toEqual(long);
});

test.each([
  ['a recipient that is a name', { to: 'anna' }],
  ['a recipient that is nobody', { to: '@' }],
  ['a group in capitals', { to: '@Lab' }],
  ['a text above 16 KiB', { text: 'x'.repeat(16 * 1024 + 1) }],
  ['a text above 16 KiB in bytes only', { text: 'é'.repeat(8 * 1024 + 1) }],
  ['a lone surrogate', { text: '\ud800' }],
  ['an id of another length', { id: 'AAAA' }],
  ['a time before the epoch', { time: -1 }],
  ['a key too many', { from2: text.from }],
])('a text with %s is refused', (_, change) => {
  expect(codeOf(() => parseTextMessage(withContent(formatText(text), { ...text, ...change })))).toBe(
    'message-malformed',
  );
});

test('an answer to a broadcast counts', () => {
  const counts = { reached: 3, offline: 0 };
  expect(parseBroadcasted(formatBroadcasted(counts))).toEqual(counts);
  expect(codeOf(() => parseBroadcasted(withHeader(formatBroadcasted(counts), { reached: undefined })))).toBe(
    'message-malformed',
  );
});

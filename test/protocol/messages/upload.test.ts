import { expect, test } from 'vitest';
import {
  formatAttach,
  formatCollect,
  formatDeliver,
  parseAttach,
  parseCollect,
  deliverMessage,
} from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { withContent, withHeader } from './documents.ts';

const KEY = { spool: '0123456789abcdef0123456789abcdef', seq: 4 };
const ASKED = { run: 'k3q9', name: 'results', paths: ['results/**', 'logs/*.txt'] };

test('what is uploaded, and why, comes back as it was', () => {
  expect(parseAttach(formatAttach(KEY))).toEqual(KEY);
  expect(deliverMessage.parse(formatDeliver('k3q9')).run).toBe('k3q9');
  expect(parseCollect(formatCollect(ASKED))).toEqual(ASKED);
});

test.each([{ spool: '0123' }, { spool: undefined }, { seq: '-1' }, { seq: undefined }])(
  'an attach with %j is refused',
  (change) => {
    expect(codeOf(() => parseAttach(withHeader(formatAttach(KEY), change)))).toBe('message-malformed');
  },
);

test.each([{ run: undefined }, { run: '' }, { run: '../k3q9' }, { run: 'a'.repeat(65) }])(
  'a run called %j is refused',
  (change) => {
    expect(codeOf(() => deliverMessage.parse(withHeader(formatDeliver('k3q9'), change)).run)).toBe(
      'message-malformed',
    );
    expect(codeOf(() => parseCollect(withHeader(formatCollect(ASKED), change)))).toBe('message-malformed');
  },
);

test.each([
  ['no object', []],
  ['no paths', { name: 'results' }],
  ['33 paths', { name: 'results', paths: Array.from({ length: 33 }, () => 'a') }],
  ['a path that is a number', { name: 'results', paths: [1] }],
  ['a path too long', { name: 'results', paths: ['a'.repeat(4_097)] }],
  ['a name too long', { name: 'a'.repeat(65), paths: [] }],
])('a collect with %s is refused', (_, content) => {
  expect(codeOf(() => parseCollect(withContent(formatCollect(ASKED), content)))).toBe('message-malformed');
});

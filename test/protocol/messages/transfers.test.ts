import { createKeyPair, MAX_TOLD_TRANSFERS, transfersMessage, type ToldTransfer } from '@filer/protocol';
import { expect, test } from 'vitest';
import { codeOf } from '../outcome.ts';
import { withContent } from './documents.ts';

const GOOD: ToldTransfer = {
  job: 'a1b2',
  kind: 'send',
  peer: createKeyPair().id,
  filesDone: 1,
  filesTotal: 2,
  bytesDone: 3,
  bytesTotal: Number.MAX_SAFE_INTEGER,
  bytesPerSecond: 0,
};
const many = (count: number): ToldTransfer[] => Array.from({ length: count }, () => GOOD);
const message = transfersMessage.format({ transfers: [GOOD] });

test('transfers come back as they were, and of very many the first', () => {
  expect(transfersMessage.parse(message).transfers).toEqual([GOOD]);
  const most = transfersMessage.format({ transfers: many(MAX_TOLD_TRANSFERS + 1) });
  expect(transfersMessage.parse(most).transfers).toEqual(many(MAX_TOLD_TRANSFERS));
});

test.each([
  ['no list', {}],
  ['another kind', [{ ...GOOD, kind: 'take' }]],
  ['a peer that is no id', [{ ...GOOD, peer: '<img src=x>' }]],
  ['a number below 0', [{ ...GOOD, bytesDone: -1 }]],
  ['a number that is none', [{ ...GOOD, filesDone: '1' }]],
  ['a job of 65 characters', [{ ...GOOD, job: 'a'.repeat(65) }]],
  ['more than are told', many(MAX_TOLD_TRANSFERS + 1)],
])('%s is refused', (_, content) => {
  expect(codeOf(() => transfersMessage.parse(withContent(message, content)))).toBe('message-malformed');
});

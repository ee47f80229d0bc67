import { expect, test } from 'vitest';
import {
  formatDraft,
  formatEnrol,
  formatEnrolSign,
  formatEnrolled,
  parseDraft,
  parseEnrol,
  parseEnrolSign,
  parseEnrolled,
} from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import {
  claims,
  grant,
  membership,
  publicKey,
  serverRecord,
  signatures,
  withContent,
  withHeader,
} from './documents.ts';

const SIGNED = { claims, grant, publicKey, ...signatures };

test('each step of joining comes back as it was', () => {
  expect(parseEnrol(formatEnrol({ name: 'anna', grant }))).toEqual({ name: 'anna', grant });
  expect(parseDraft(formatDraft(claims))).toEqual(claims);
  expect(parseEnrolSign(formatEnrolSign(SIGNED))).toEqual(SIGNED);
  expect(parseEnrolled(formatEnrolled({ membership, serverRecord }))).toEqual({ membership, serverRecord });
});

test('a name is not judged here, but bounded', () => {
  const long = withHeader(formatEnrol({ name: 'anna', grant }), { name: 'x'.repeat(65) });
  expect(codeOf(() => parseEnrol(long))).toBe('message-malformed');
  expect(codeOf(() => parseEnrol(withHeader(long, { name: undefined })))).toBe('message-malformed');
});

test.each([
  ['nothing', {}],
  ['a grant that is a text', { grant: 'grant' }],
  ['a grant without its signature', { grant: { ...grant, signature: undefined } }],
  ['a grant with a field too many', { grant: { ...grant, colour: 'blue' } }],
  ['uses of 0', { grant: { ...grant, uses: 0 } }],
  ['a group twice', { grant: { ...grant, groups: ['lab', 'lab'] } }],
  ['a group with a comma', { grant: { ...grant, groups: ['a,b'] } }],
])('an enrol whose content has %s is refused', (_, content) => {
  expect(codeOf(() => parseEnrol(withContent(formatEnrol({ name: 'anna', grant }), content)))).toBe(
    'message-malformed',
  );
});

test.each([
  ['a name that is none', { ...claims, name: 'Anna' }],
  ['an id in lower case', { ...claims, id: claims.id.toLowerCase() }],
  ['serial 0', { ...claims, serial: 0 }],
  ['a serial that is a text', { ...claims, serial: '1' }],
  ['a missing group list', { ...claims, groups: null }],
])('a draft with %s is refused', (_, content) => {
  expect(codeOf(() => parseDraft(withContent(formatDraft(claims), content)))).toBe('message-malformed');
});

test.each(['claims', 'grant', 'publicKey', 'peerSignature', 'inviteSignature'])(
  'an enrol-sign without %s, or with another kind of value there, is refused',
  (key) => {
    for (const value of [undefined, 1, 'short', [], `${'A'.repeat(86)}\n`]) {
      const message = withContent(formatEnrolSign(SIGNED), { ...SIGNED, [key]: value });
      expect(codeOf(() => parseEnrolSign(message))).toBe('message-malformed');
    }
  },
);

test('an enrolled needs both documents', () => {
  const message = formatEnrolled({ membership, serverRecord });
  expect(codeOf(() => parseEnrolled(withContent(message, { membership })))).toBe('message-malformed');
  expect(codeOf(() => parseEnrolled(withContent(message, { serverRecord })))).toBe('message-malformed');
  expect(codeOf(() => parseEnrolled(withHeader(message, { type: 'draft' })))).toBe('unexpected-message');
});

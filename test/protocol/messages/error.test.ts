import { EXIT_CODES, errorOf, isName, ownErrorOf } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { parseAbandon, parseFailed } from '../../../packages/protocol/src/messages/transfer-streams.ts';
import { parseUnsent } from '../../../packages/protocol/src/messages/share.ts';

const NO_CONTENT = Buffer.alloc(0);
const ASKED = Buffer.from('{"path":"a"}');

/** Exit codes that say something about the machine where they are printed. */
const OURS = new Set([2, 3, 4, 5, 7, 8, 10, 12, 130, 143]);

describe('no code of another machine states something about this one', () => {
  const codes = [...Object.keys(EXIT_CODES), 'not-running', 'toString', ''];
  test.each(codes)('%j', (code) => {
    const header = { type: 'error', code, message: 'words', entry: '0' };
    const said = [
      errorOf(header, 'bob').exitCode,
      EXIT_CODES[parseFailed({ header: { ...header, type: 'failed' }, content: NO_CONTENT }).code],
      EXIT_CODES[parseAbandon({ header: { ...header, type: 'abandon' }, content: NO_CONTENT }).code],
      EXIT_CODES[parseUnsent({ header: { ...header, type: 'unsent' }, content: ASKED }).code],
    ];
    expect(said.filter((exit) => OURS.has(exit))).toEqual([]);
  });

  test.each(['spool-full', 'already-running', 'identity-damaged', 'no-such-job'])('%s is refused', (code) =>
    expect(errorOf({ code }, 'bob').code).toBe('refused'),
  );

  test('what its owner stopped is a connection that has ended', () => {
    expect(errorOf({ code: 'terminated' }, 'bob').code).toBe('connection-closed');
    expect(errorOf({ code: 'interrupted' }, 'bob').code).toBe('connection-closed');
  });

  test('what it says of itself and of the request stays', () => {
    for (const code of ['no-space', 'declined', 'removed', 'path-missing', 'rate-limited'])
      expect(errorOf({ code }, 'bob').code).toBe(code);
  });
});

test('words of another machine are those of that machine', () => {
  expect(errorOf({ code: 'refused', message: 'not today' }, 'bob').message).toBe('bob says: "not today"');
});

test('the codes of a process of this user stay as they are', () => {
  expect(ownErrorOf({ code: 'identity-changed', message: 'words' })).toMatchObject({
    code: 'identity-changed',
    message: 'words',
  });
});

test.each(['\u3164', '\u115F', '\uFFA0', '\u2800', '\u034F', '\u200B', '\u202E', '\uFE0F', '\u{E0041}'])(
  'no name of a machine or group holds %j',
  (letter) => {
    expect(isName(`bo${letter}b`)).toBe(false);
    expect(isName(letter)).toBe(false);
  },
);

import { signedBytes } from '@filer/protocol';
import { describe, expect, test } from 'vitest';

describe('signed bytes', () => {
  test('are the line of the kind, then keys in the order of their bytes, each with its length', () => {
    expect(signedBytes('invite', { b: 'é', a: '' }).toString('hex')).toBe(
      Buffer.from('filer/1 invite\n').toString('hex') +
        '00000001' +
        '61' +
        '00000000' +
        '00000001' +
        '62' +
        '00000002' +
        'c3a9',
    );
  });

  test('differ when text moves from one value, or key, to the next', () => {
    const seen = [
      signedBytes('text', { a: 'xy', b: 'z' }),
      signedBytes('text', { a: 'x', b: 'yz' }),
      signedBytes('text', { ax: 'y', b: 'z' }),
      signedBytes('texts', { a: 'xy', b: 'z' }),
    ].map((bytes) => bytes.toString('hex'));
    expect(new Set(seen).size).toBe(4);
  });

  test('are the same from pairs, and in the order of bytes, which is not that of UTF-16', () => {
    const pairs: [string, string][] = [
      ['\u{1f600}', 'p'],
      ['\uffee', 'u'],
      ['a', 'plain'],
    ];
    const bytes = signedBytes('text', Object.fromEntries(pairs));
    expect(signedBytes('text', pairs.toReversed())).toEqual(bytes);
    const keys = ['a', '\uffee', '\u{1f600}'].map((key) => bytes.indexOf(Buffer.from(key)));
    expect(keys).toEqual(keys.toSorted((a, b) => a - b));
  });

  test('are refused for ill-formed Unicode and for a kind that is no word', () => {
    expect(() => signedBytes('text', { a: '\ud800' })).toThrow('ill-formed');
    expect(() => signedBytes('text\n', {})).toThrow('not a kind');
  });
});

import { expect, test } from 'vitest';
import { errorOf, expectType, parseHello, quoted, unsupported } from '@filer/protocol';

const long = '\u{1f642}'.repeat(30_000);

test.each([
  ['an unexpected type', () => expectType({ type: long }, 'hello')],
  [
    'a type that is not known',
    () => {
      throw unsupported({ type: long });
    },
  ],
  [
    'versions that are not spoken',
    () =>
      parseHello({
        header: { type: 'hello', versions: Array(32).fill('9007199254740991').join(',') },
        content: Buffer.alloc(0),
      }),
  ],
])('%s is quoted with 64 characters at the most', (_, act) => {
  expect(act).toThrow(/^.{1,200}$/u);
});

test('what is cut inside a character stays well-formed', () => {
  expect(quoted(`a${long}`).isWellFormed()).toBe(true);
  expect(quoted('short')).toBe('short');
});

test('the words of an error from another machine are bounded', () => {
  const { message } = errorOf({ type: 'error', code: 'refused', message: long }, 'bob');
  expect(message).toHaveLength(1_000 + 'bob says: ""'.length);
});

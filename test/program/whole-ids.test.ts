import { expect, test } from 'vitest';
import { withWholeIds } from '../../packages/program/src/terminal/whole-ids.ts';

const ID = 'UPYELWN3MHIMJYXEBFI7UJPETB46WP6DB52QUQT3ZMTCEOB7AGOA';
const JOB = 'mrx1b1gzgmssg56t';

test('an id that a terminal would fold stands on the next line', () => {
  expect(withWholeIds(`joined as anna  id ${ID}`, 60)).toBe(`joined as anna  id\n${ID}`);
  expect(withWholeIds(`${'x'.repeat(50)}, job ${JOB} is stopped`, 60)).toBe(
    `${'x'.repeat(50)}, job\n${JOB} is stopped`,
  );
  expect(withWholeIds(`bob is now ${ID} (was ${ID})`, 80)).toBe(`bob is now ${ID} (was\n${ID})`);
  expect(withWholeIds(`removed bartholomew (${ID})`, 60)).toBe(`removed bartholomew\n(${ID})`);
});

test('one that fits, and a command, stay as they are', () => {
  for (const text of [
    `joined as anna  id ${ID}`,
    `${'word '.repeat(14)}  filer-client retry ${JOB}`,
    `/${'a path with blanks'.repeat(8)}`,
  ])
    expect(withWholeIds(text, 80)).toBe(text);
  expect(withWholeIds(`id ${ID}`, 40)).toBe(`id ${ID}`);
});

import fc from 'fast-check';
import { matchesGlob } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FilerError, Glob } from '@filer/protocol';

describe('a pattern fits', () => {
  test.each([
    ['results/**', ['results/a', 'results/a/b', 'results/.hidden/x', 'results'], ['resultsx/a', 'other/a']],
    ['results/*', ['results/a', 'results/.a'], ['results/a/b', 'results']],
    ['logs/**/*.log', ['logs/a.log', 'logs/x/y/a.log', 'logs/.log'], ['logs/a.txt', 'logs/a.log/b']],
    ['*/today.csv', ['a/today.csv', 'b/today.csv'], ['today.csv', 'a/b/today.csv', 'a/Today.csv']],
    ['a/**/b/**/c', ['a/b/c', 'a/x/b/y/z/c', 'a/b/b/c'], ['a/c', 'a/b', 'a/b/c/d']],
    ['a/?.[a-c!]', ['a/x.b', 'a/😀.a', 'a/x.!'], ['a/xy.b', 'a/x.d', 'a/.b']],
    ['a/[!0-9]*', ['a/x1', 'a/-'], ['a/1x', 'a/']],
    ['a/[]x]', ['a/]', 'a/x'], ['a/[']],
    ['a/*b*c', ['a/bc', 'a/xbxbc', 'a/bbcc'], ['a/bcx', 'a/cb']],
    ['**', ['a', 'a/b'], []],
    ['**/x', ['x', 'a/x', 'a/b/x'], ['a/b']],
  ])('%s', (text, fits, fitsNot) => {
    const glob = Glob.parse(text);
    expect(fits.filter((path) => !glob.matches(path))).toEqual([]);
    expect(fitsNot.filter((path) => glob.matches(path))).toEqual([]);
  });
});

test.each([
  '',
  'results',
  '/a/b',
  'a//b',
  'a/',
  'a/./b',
  '../b',
  'a/..',
  'a/b**',
  'a/{b,c}',
  'a/[b',
  'a/\\*',
  'a/\n',
  'a/[z-a]',
  `a/${'x'.repeat(1_100)}`,
])('refuses %j, and says what is wrong', (text) => {
  expect(() => Glob.parse(text)).toThrow(FilerError);
  expect(() => Glob.parse(text)).toThrow('is no pattern of a collect');
});

const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
const pattern = fc.oneof(
  fc.constant('**'),
  fc
    .array(fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]'), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('').replaceAll(/\*+/g, '*')),
);

test('agrees with Node where both know the rule', () => {
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 2, maxLength: 4 }),
      fc.array(name, { minLength: 1, maxLength: 5 }),
      (parts, names) => {
        // Two of them are one; at an end Node wants a name for it.
        fc.pre(parts.every((part, n) => part !== '**' || (n < parts.length - 1 && parts[n + 1] !== '**')));
        const [text, path] = [parts.join('/'), names.join('/')];
        expect([text, path, Glob.parse(text).matches(path)]).toEqual([text, path, matchesGlob(path, text)]);
      },
    ),
  );
});

test('a folder is looked into exactly when something in it may fit', () => {
  fc.assert(
    fc.property(
      fc.array(pattern, { minLength: 2, maxLength: 4 }),
      fc.array(name, { minLength: 2, maxLength: 5 }),
      (parts, names) => {
        const glob = Glob.parse(parts.join('/'));
        if (!glob.matches(names.join('/'))) return;
        for (let n = 1; n < names.length; n++) expect(glob.reaches(names.slice(0, n).join('/'))).toBe(true);
      },
    ),
  );
  const glob = Glob.parse('results/2026-*/x.csv');
  expect(['results', 'results/2026-11'].map((folder) => glob.reaches(folder))).toEqual([true, true]);
  expect(['other', 'results/2025', 'results/2026-11/x'].map((folder) => glob.reaches(folder))).toEqual([
    false,
    false,
    false,
  ]);
});

test('no pattern makes a machine think for long', () => {
  const glob = Glob.parse(`a/${'*a'.repeat(250)}b/${'**/x/'.repeat(50)}y`);
  const path = `a/${'a'.repeat(250)}/${Array.from({ length: 500 }, () => 'x').join('/')}`;
  // A backtracking matcher would not come back within the life of this machine.
  expect(glob.matches(path)).toBe(false);
  // Nor would one that looks at each ** for each name come through a share of some thousand files.
  const stars = Glob.parse(`${'**/'.repeat(340)}y`);
  for (let n = 0; n < 2_000; n++) expect(stars.matches(path)).toBe(false);
});

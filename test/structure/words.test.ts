import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { commentsOf, readSources, stringsOf } from './sources.ts';

/*
 * What people read is plain technical English: pages, help texts, messages and log lines.
 */

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Literary turns; "is none of these" is none. */
const UNWANTED =
  /\b(?:nobody|whoever|no more|(?<!there )is none(?! of)|goes on|go on|gone on|lies|anew|for ever|told of)\b/gi;

const unwantedIn = (text: string): string[] =>
  [...text.replaceAll(/\s+/g, ' ').matchAll(UNWANTED)].map(
    ({ index, input }) => `…${input.slice(Math.max(0, index - 40), index + 40)}…`,
  );

const below = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `${folder}/${name.split(sep).join('/')}`);

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'examples/README.md',
  'packages/protocol/README.md',
  'packages/sockets/README.md',
  ...below('docs'),
];

test.each(pages)('%s has no literary turns', (page) => {
  expect(unwantedIn(readFileSync(join(root, page), 'utf8'))).toEqual([]);
});

test('no string of the programs and packages has literary turns', () => {
  const found = readSources().flatMap((source) =>
    stringsOf(source)
      .map((text) => text.replaceAll(/^\s*-- .*$/gm, '')) // comments in SQL
      .flatMap(unwantedIn)
      .map((words) => `${source.path}: ${words}`),
  );

  expect(found).toEqual([]);
});

test('no comment has literary turns', () => {
  const found = ['packages', 'apps', 'test', 'scripts', 'bench', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/node_modules|\bdist\b|structure.words/.test(name))
      .flatMap((name) => {
        const text = readFileSync(join(root, folder, name), 'utf8');
        return commentsOf(text)
          .flatMap(unwantedIn)
          .map((words) => `${name}: ${words}`);
      }),
  );

  expect(found).toEqual([]);
});

test.each([
  ['Nobody can\njoin.', 1],
  ['It goes\n  on, and it lies there.', 2],
  ['A name that is none of these; it relies on more.', 0],
])('the words are noticed in %j: %i', (text, count) => {
  expect(unwantedIn(text)).toHaveLength(count);
});

test('strings are found, comments and what a template fills in are not', () => {
  const text = "const a = 'one'; f(\"two\", `three ${anew} four`, /'/);\n";

  expect(stringsOf({ path: 'a.ts', text })).toEqual(['one', 'two', 'three … four']);
});

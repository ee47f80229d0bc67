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
const UNWANTED = new RegExp(
  `\\b(?:${[
    ...[
      'nobody',
      'whoever',
      'no more',
      '(?<!there )is none(?! of)',
      'goes on',
      'go on',
      'gone on',
      'lies',
      'anew',
    ],
    ...[
      'for ever',
      'told of',
      'as any other',
      'becomes? of',
      'the one who(?!se)',
      'no affair',
      '(?<=, )be it',
    ],
    ...['in vain', 'of late', 'lately', 'had back', 'comes? to be', '(?:of a|of the|a) strangers?'],
  ].join('|')})\\b`,
  'gi',
);

/** What the first edition called its parts; the glossary's terms have taken their place. */
const OLD_NAMES =
  /\b(?:class|interface|type|function|const) (?:Desk|Operator|Performer|Present|There|Vouching|Deciding|Committing|Announcing|Lead|Pump|Pace|KeptParts|KeptPlace|SideWork|\w*[sS]tranger\w*|STRANGER\w*|Gate|Trim|Turns|Slots|\w*Lateness\w*|Settling|Troubles|Site)\b/g;

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

test('nothing has a name of the first edition', () => {
  const found = readSources().flatMap(({ path, text }) =>
    (text.match(OLD_NAMES) ?? []).map((name) => `${path}: ${name}`),
  );

  expect(found).toEqual([]);
});

test.each([
  ['Nobody can\njoin.', 1],
  ['It goes\n  on, and it lies there.', 2],
  ['A job as any other, whatever becomes of it.', 2],
  ['A name that is none of these; it relies on more.', 0],
])('the words are noticed in %j: %i', (text, count) => {
  expect(unwantedIn(text)).toHaveLength(count);
});

test('strings are found, comments and what a template fills in are not', () => {
  const text = "const a = 'one'; f(\"two\", `three ${anew} four`, /'/);\n";

  expect(stringsOf({ path: 'a.ts', text })).toEqual(['one', 'two', 'three … four']);
});

import { readFile } from 'node:fs/promises';
import { messageTypes } from '@filer/protocol';
import { expect, test } from 'vitest';
import { withTables } from '../../scripts/protocol-docs.ts';

const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

test('the tables of docs/protocol.md are those of the message table: else run "npm run docs"', () => {
  expect(withTables(page)).toBe(page);
});

test('docs/protocol.md lists every message, and shows its fields once', () => {
  const timesOf = (text: string): number => page.split(text).length - 1;
  const wrong = messageTypes().filter(
    ({ type }) =>
      !page.includes(`\n| \`${type}\` `) ||
      timesOf(`\n### \`${type}\`\n`) + timesOf(`<!-- message: ${type} -->`) !== 1,
  );

  expect(wrong.map(({ type }) => type)).toEqual([]);
});

test('a marker of a message that is not declared is noticed', () => {
  expect(() => withTables('<!-- message: nonsense -->\n<!-- end -->')).toThrow('nonsense');
});

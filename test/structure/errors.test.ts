import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXIT_CODES } from '../../packages/protocol/src/errors.ts';
import { toldCode } from '../../packages/protocol/src/messages/error.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md lists every code of the table with its exit code, once and in the same order', () => {
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (\d+) \| (.+) \|$/gm)];

  expect(rows.map(([, code, exit]) => [code, Number(exit)])).toEqual(Object.entries(EXIT_CODES));
});

test('docs/errors.md says of every code that another machine may use, and of no other, how a client treats it', () => {
  const [, wire = ''] = page.split('\n## On the wire\n');
  const rows = [...wire.matchAll(/^\| `([a-z-]+)` \|(.*)\|(.*)\|(.*)\|(.+)\|$/gm)];

  expect(rows.map(([, code]) => code)).toEqual(
    Object.keys(EXIT_CODES).filter((code) => toldCode(code) === code),
  );
});

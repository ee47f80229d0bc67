import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXIT_CODES } from '../../packages/protocol/src/errors.ts';

test('docs/errors.md lists every code of the table with its exit code, once and in the same order', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (\d+) \| (.+) \|$/gm)];

  expect(rows.map(([, code, exit]) => [code, Number(exit)])).toEqual(Object.entries(EXIT_CODES));
});

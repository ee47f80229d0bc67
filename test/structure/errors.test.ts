import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EXIT_CODES } from '../../packages/protocol/src/errors.ts';
import { OUTPUT_CLOSED_EXIT_CODE } from '../../packages/program/src/program.ts';
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

test('docs/errors.md and docs/cli list the exit codes that programs end with, and no other', () => {
  const ends = new Set([0, ...Object.values(EXIT_CODES), OUTPUT_CLOSED_EXIT_CODE]);
  const cli = readFileSync(new URL('../../docs/cli/README.md', import.meta.url), 'utf8');
  for (const text of [page, cli]) {
    const [, section = ''] = text.split('\n## Exit codes\n');
    const rows = [...section.matchAll(/^\| ([0-9, ]+?) +\| /gm)];
    const listed = rows.flatMap(([, codes = '']) => codes.split(', ').map(Number));
    expect(listed.toSorted((a, b) => a - b)).toEqual([...ends].toSorted((a, b) => a - b));
  }
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formOf } from '@filer/program';
import { PROGRAMS } from '../../scripts/cli-docs.ts';
import { roffOf } from '../../scripts/man/roff.ts';
import { writeManual } from '../../scripts/man/write.ts';
import { needs } from '../support/needs.ts';

const folder = mkdtempSync(join(tmpdir(), 'filer-man-'));
let pages: readonly string[] = [];

beforeAll(() => {
  pages = writeManual(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (name: string): string => readFileSync(join(folder, name), 'utf8').replaceAll('\\-', '-');

test('the manual has a page for each program, and one for the commands that begin with a word', () => {
  const words = Object.entries(PROGRAMS).flatMap(([program, commands]) =>
    commands.map((command) => `${program}-${formOf(command).words[0]}`),
  );

  expect(pages.map((page) => basename(page)).toSorted()).toEqual(
    [...new Set([...words, ...Object.keys(PROGRAMS), 'filer'])].map((name) => `${name}.1`).toSorted(),
  );
});

describe.each(Object.entries(PROGRAMS))('the manual of %s', (program, commands) => {
  test('says of each command how it is typed, its examples and its flags', () => {
    for (const command of commands) {
      const { words, synopsis, options } = formOf(command);
      const page = read(`${program}-${words[0]}.1`);
      expect(page).toContain(`\\fB${program}\\fR ${synopsis}\n`);
      for (const example of command.examples ?? []) {
        expect(page).toContain(`\n${program} ${example.replaceAll('\\', '\\e')}\n`);
      }
      for (const { name } of options)
        expect(page).toMatch(new RegExp(`\\.TP\n(\\\\fB-.\\\\fR, )?\\\\fB${name}[ \\\\]`));
    }
  });

  test('names all commands and all exit codes on one page', () => {
    const page = read(`${program}.1`);
    for (const { usage, describe: text } of commands) expect(page).toContain(`\\fB${usage}\\fR\n${text}\n`);
    expect(page).toMatch(/\.SH EXIT STATUS\n\.TP\n\\fB0\\fR\nall done/);
  });
});

test.skipIf(needs('mandoc'))('the manual is well-formed', () => {
  const lint = (): string =>
    execFileSync('mandoc', ['-Tlint', '-W', 'warning', ...pages], { encoding: 'utf8' });

  expect(lint()).toBe('');
});

test.each([
  ["A line\n'quoted' at its start.", ["A line\n\\&'quoted' at its start."].join('').split('\n')],
  [
    '- `-t`, `--to <target>`: who.\n  More.\n\n  And more.',
    ['.TP', '\\fB\\-t\\fR, \\fB\\-\\-to <target>\\fR', 'who.', 'More.', 'And more.'],
  ],
  ['- some\n  thing', ['.IP \\(bu 2', 'some', 'thing']],
  ['| `a` | b |\n| --- | --- |\n| `x` | y \\| z |', ['.TP', '\\fBx\\fR', 'y | z']],
  ['```sh\na\\b -c\n```', ['.RS 2', '.EX', 'a\\eb \\-c', '.EE', '.RE']],
  [
    'One.\n\n[Two](x.md#y) is **bold**, `a_b` and _so_.',
    ['One.', '.PP', 'Two is \\fBbold\\fR, \\fBa_b\\fR and \\fIso\\fR.'],
  ],
  ['1.2 – 3…', ['1.2 \\(en 3...']],
])('%j is written in the macros of a manual', (markdown, lines) => {
  expect(roffOf(markdown)).toEqual(lines);
});

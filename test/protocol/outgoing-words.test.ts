import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FilerError,
  formatEntriesAnswer,
  formatAbandon,
  formatFailed,
  formatError,
  formatUnsent,
} from '@filer/protocol';
import { writeFailure } from '../../packages/protocol/src/write-failure.ts';

/** All that one error puts on the wire. */
function onTheWire(error: FilerError): string {
  const { code, message } = error;
  const failure = { entry: 0, code, message };
  const messages = [
    { header: formatError(error, '1'), content: '' },
    formatFailed(failure),
    formatAbandon(failure),
    formatUnsent({ path: 'docs/a', code, message }),
    formatEntriesAnswer('1', [{ answer: 'refused', code, message }]),
  ];
  return messages.map(({ header, content }) => `${JSON.stringify(header)}${String(content)}`).join('\n');
}

/** Names of folders with whatever a name may hold; the first says that it is secret. */
const folders = fc
  .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 4 })
  .map((names) => ['/SECRET', ...names.map((name) => name.replaceAll(/[/\0]/g, '_')), 'END'].join('/'));

describe('no path of this machine is in what another machine is told about an error', () => {
  test('in quotes', () => {
    fc.assert(
      fc.property(folders, (path) => {
        const error = new FilerError('refused', `${JSON.stringify(path)} holds the keys: choose another`);
        expect(onTheWire(error)).not.toMatch(/SECRET|END/);
      }),
    );
  });

  test('of a disk that cannot be written', () => {
    fc.assert(
      fc.property(folders, (path) => {
        const cause = Object.assign(new Error(`EACCES: permission denied, open '${path}'`), {
          code: 'EACCES',
        });
        const error = writeFailure(`the inbox ${path} cannot be used`, path, cause, {
          otherwise: 'give --inbox',
        });
        expect(error.message).toContain('SECRET');
        expect(onTheWire(error)).not.toMatch(/SECRET|END/);
      }),
    );
  });

  test.each([
    ['a system error', "EACCES: permission denied, open '/SECRET/END'"],
    ['a bare path', 'the database /SECRET/END is damaged'],
    ['one with spaces between its folders', 'the database /SECRET/of a user/END is damaged'],
    ['one at the beginning', '/SECRET/END: no such folder'],
    ['one after an equals sign', 'FILER_HOME=/SECRET/END'],
    ['one in parentheses', 'it is not there (/SECRET/END)'],
    ['a URL of a file', 'see file:///SECRET/END'],
    ['a target of a link', 'the link "docs/a" to "/SECRET/END" is refused'],
    ['one that was cut off', 'cannot open "/SECRET/END'],
  ])('%s', (_, words) => {
    expect(onTheWire(new FilerError('internal', words))).not.toMatch(/SECRET|END/);
  });
});

test.each([
  'the name "notes/today.txt" is refused: it holds a NUL character',
  '5 MB/s, see https://example.org/docs',
  'type there "filer-client share add DIR --as NAME --server"',
  'filer/1 is spoken here; docs/plan.pdf is not shared',
])('names that are relative, rates and addresses stay: %s', (words) => {
  const said = formatFailed({ entry: 0, code: 'refused', message: words });
  expect(said.header['message']).toBe(words);
});

test('a sender is told which absolute name of its own is refused', () => {
  const message = 'the name "/etc/passwd" is refused: it is absolute';
  expect(
    String(formatEntriesAnswer('1', [{ answer: 'refused', code: 'name-refused', message }]).content),
  ).toContain('/etc/passwd');
});

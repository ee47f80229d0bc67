import fc from 'fast-check';
import { createLogger, printable, printableJson, renderTable } from '@filer/program';
import { printableLayout } from '../../packages/program/src/printable.ts';
import { expect, test } from 'vitest';

/** What must never reach a terminal or a log. */
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{DI}\u2800]/u;

const anyText = fc.string({ unit: 'binary' });

test.each([
  ['plain ÄÖ 日本 👍', 'plain ÄÖ 日本 👍'],
  ['\u001B[31mred', '\\u{1b}[31mred'],
  ['a\rb\nc\td\u0007\u0008', 'a\\u{d}b\\u{a}c\\u{9}d\\u{7}\\u{8}'],
  ['invoice\u202Egpj.exe', 'invoice\\u{202e}gpj.exe'],
  ['\u2066\u200B\uFEFF\u009B', '\\u{2066}\\u{200b}\\u{feff}\\u{9b}'],
  ['\u2028\u2029\uE000\uD800x', '\\u{2028}\\u{2029}\\u{e000}\\u{d800}x'],
  ['\u{E0041}', '\\u{e0041}'],
  ['a\u3164b\u115F\u1160\uFFA0', 'a\\u{3164}b\\u{115f}\\u{1160}\\u{ffa0}'],
  ['\u2800\u034F\u00AD\u180E\u17B4', '\\u{2800}\\u{34f}\\u{ad}\\u{180e}\\u{17b4}'],
  ['\u2764\uFE0F\u{E0100}', '\u2764\\u{fe0f}\\u{e0100}'],
  ['\u{1D159}\u{16FE4}\u{13441}', '\\u{1d159}\\u{16fe4}\\u{13441}'],
  ['한글 ก็ é', '한글 ก็ é'],
])('%j is shown as %s', (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test('no text reaches a terminal with a character that moves, hides or reverses', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(printable(text)).not.toMatch(DANGEROUS);
      expect(printableLayout(text.replaceAll('\n', ''))).not.toMatch(DANGEROUS);
    }),
  );
});

test('a layout keeps our line breaks and styles and nothing else', () => {
  expect(printableLayout('\u001B[1mbold\u001B[22m\n\u001B[2Jcleared\u001B]0;title\u0007')).toBe(
    '\u001B[1mbold\u001B[22m\n\\u{1b}[2Jcleared\\u{1b}]0;title\\u{7}',
  );
});

test('escaped JSON is the same value, on one safe line', () => {
  fc.assert(
    fc.property(fc.jsonValue(), anyText, (value, text) => {
      const line = printableJson({ value, text });
      expect(line).not.toMatch(DANGEROUS);
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ value, text })));
    }),
  );
});

test('a table fits its terminal, escapes its cells, and counts wide characters as two', () => {
  const columns = [{ title: 'NAME' }, { title: 'ID' }, { title: 'SIZE', align: 'right' as const }];
  const rows = [
    ['日本', 'x'.repeat(52), '1 kB'],
    ['bob\n', 'short', '12 kB'],
  ];
  expect(renderTable(columns, rows, Number.POSITIVE_INFINITY).split('\n')).toEqual([
    `NAME      ID${' '.repeat(50)}   SIZE`,
    `日本      ${'x'.repeat(52)}   1 kB`,
    `bob\\u{a}  short${' '.repeat(47)}  12 kB`,
  ]);
  for (const line of renderTable(columns, rows, 40).split('\n')) expect(line.length).toBeLessThanOrEqual(40);
  expect(renderTable(columns, rows, 40).replaceAll(/[^x]/g, '')).toBe('x'.repeat(52));
});

async function logged(format: 'text' | 'json', level: 'info' | 'debug' = 'info') {
  const lines: string[] = [];
  const logger = await createLogger({ format, level, stream: { write: (text: string) => lines.push(text) } });
  return { lines, logger };
}

test('a log line for people has time, level, message and fields, and is one line whatever is in them', async () => {
  const { lines, logger } = await logged('text');
  logger.child({ peer: 'bob' }).info('message came', { text: 'a\nb\u001B[2J\u202E', bytes: 5 });
  logger.debug('not shown');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z info {2}message came peer=bob text="[^"]+" bytes=5\n$/);
  expect(lines[0]?.trimEnd()).not.toMatch(DANGEROUS);
});

test('a log line for programs is one JSON object', async () => {
  const { lines, logger } = await logged('json');
  logger.warn('odd', { name: 'a\u202Eb\u009B', error: new Error('broke\n') });
  expect(lines[0]?.trimEnd()).not.toMatch(DANGEROUS);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'warn',
    msg: 'odd',
    name: 'a\u202Eb\u009B',
    error: 'broke\n',
  });
});

test.each(['text', 'json'] as const)('neither a key nor an invite is written to a %s log', async (format) => {
  const { lines, logger } = await logged(format, 'debug');
  const invite = 'filer://192.0.2.7:10901,[2001:db8::1]:10901/AAECAwQFBgcICQ-_';
  const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n';
  logger.info(`joining with ${invite}`, {
    argument: invite,
    list: [invite],
    seed: 'AAECAwQF',
    deep: { keyPem: pem },
  });
  logger.error('failed', { error: new Error(`bad ${pem} ${invite}`), token: 'AAECAwQF' });
  const text = lines.join('');
  expect(text).toContain('filer://192.0.2.7:10901');
  expect(text).not.toContain('AAECAwQF');
  expect(text).not.toContain('MC4CAQ');
});

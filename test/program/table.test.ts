import { layOutTable, renderTable } from '@filer/program';
import { expect, test } from 'vitest';

const COLUMNS = [
  { title: 'NAME' },
  { title: 'GROUPS', dropOrder: 1 },
  { title: 'VERSION', dropOrder: 2 },
  { title: 'SIZE', align: 'right' as const },
];
const ROWS = [
  ['anna', '@lab @film', '0.1.0', '7 B'],
  ['bartholomew', '@lab', '0.1.0', '12 kB'],
];

test('where there is room all is shown', () => {
  expect(renderTable(COLUMNS, ROWS, 80)).toBe(
    [
      'NAME         GROUPS      VERSION   SIZE',
      'anna         @lab @film  0.1.0      7 B',
      'bartholomew  @lab        0.1.0    12 kB',
    ].join('\n'),
  );
});

test('on a narrow terminal what matters least is left out first, and what must stay wraps', () => {
  const heads = [38, 29, 18, 14].map((width) => renderTable(COLUMNS, ROWS, width).split('\n')[0]);

  expect(heads).toEqual([
    'NAME         GROUPS       SIZE',
    'NAME          SIZE',
    'NAME          SIZE',
    'NAME      SIZE',
  ]);
  expect(renderTable(COLUMNS, ROWS, 14)).toContain('barthol  12 kB\nomew');
});

test('one long cell takes no column away: it wraps', () => {
  const rows = [['anna', '@lab', '@a'.repeat(30), '7 B']];
  const { head, rows: laidOut } = layOutTable(COLUMNS, rows, 60);

  expect(head).toEqual([expect.stringContaining('VERSION')]);
  expect(laidOut[0]?.length).toBeGreaterThan(1);
});

test('a style takes no room, and what is styled is escaped', () => {
  const red = (text: string): string => `\u001B[31m${text}\u001B[39m`;
  const { rows } = layOutTable(
    [{ title: 'STATE' }, { title: 'NAME' }],
    [
      [{ text: 'lost\u202E', style: red }, 'x'],
      ['ok', 'y'],
    ],
    80,
  );

  expect(rows).toEqual([['\u001B[31mlost\\u{202e}\u001B[39m  x'], ['ok            y']]);
});

test('a cell of words wraps between them, and longer words wherever the room ends', () => {
  const { rows } = layOutTable(
    [{ title: 'REPORTS' }],
    [['missing b 25m, missing c 1h'], ['abcdefghijklmnop q r']],
    12,
  );

  expect(rows).toEqual([
    ['missing b', '25m, missing', 'c 1h'],
    ['abcdefghijkl', 'mnop q r'],
  ]);
});

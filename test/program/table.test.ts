import { layOutTable, renderTable, TableWriter, type Column } from '@filer/program';
import { describe, expect, test } from 'vitest';
import { widthOf } from '../../packages/program/src/terminal/text-width.ts';

const COLUMNS: readonly Column[] = [
  { title: 'JOB', fit: 'whole' },
  { title: 'TO' },
  { title: 'VERSION', fit: 'whole', dropOrder: 1 },
  { title: 'WHAT', fit: 'middle' },
  { title: 'SIZE', fit: 'whole', align: 'right' },
  { title: 'WHERE', fit: 'below' },
];
const ID = 'ge1v03exktepmctf';
const PATH = '~/Filer/anna/tree of mine/2026';
const ROWS = [
  [ID, 'anna bob', '0.1.0', 'tree', '7 B', PATH],
  [ID, 'bartholomew', '0.1.0', 'a-name-that-takes-some-columns.txt', '12 kB', '/srv'],
];

test('where there is room all is shown, in a row each', () => {
  const lines = renderTable(COLUMNS, ROWS, 120).split('\n');

  expect(lines).toEqual([
    'JOB               TO           VERSION  WHAT                                 SIZE  WHERE',
    `${ID}  anna bob     0.1.0    tree                                  7 B  ${PATH}`,
    `${ID}  bartholomew  0.1.0    a-name-that-takes-some-columns.txt  12 kB  /srv`,
  ]);
});

test('in 80 columns a path stands below its row, and what is not copied is shortened', () => {
  expect(renderTable(COLUMNS, ROWS, 80).split('\n')).toEqual([
    'JOB               TO           VERSION  WHAT                                SIZE',
    '  WHERE',
    `${ID}  anna bob     0.1.0    tree                                 7 B`,
    `  ${PATH}`,
    `${ID}  bartholomew  0.1.0    a-name-that-take…some-columns.txt  12 kB`,
    '  /srv',
  ]);
});

test('in 60 columns what matters least is left out', () => {
  const [head, , first, , second] = renderTable(COLUMNS, ROWS, 60).split('\n');

  expect(head).toBe('JOB               TO           WHAT                     SIZE');
  expect(first).toBe(`${ID}  anna bob     tree                      7 B`);
  expect(second).toBe(`${ID}  bartholomew  a-name-that…olumns.txt  12 kB`);
});

test('below 60 columns each row is a record, of all columns', () => {
  expect(renderTable(COLUMNS, ROWS, 40).split('\n')).toEqual([
    `JOB      ${ID}`,
    'TO       anna bob',
    'VERSION  0.1.0',
    'WHAT     tree',
    'SIZE     7 B',
    `WHERE    ${PATH}`,
    '',
    `JOB      ${ID}`,
    'TO       bartholomew',
    'VERSION  0.1.0',
    'WHAT',
    '  a-name-that-takes-some-columns.txt',
    'SIZE     12 kB',
    'WHERE    /srv',
  ]);
});

describe.each([20, 40, 59, 60, 72, 80, 120, 200])('in %i columns', (width) => {
  const long = `/${'a-long-name/'.repeat(12)}end`;
  const rows = [
    ...ROWS,
    [ID, 'x'.repeat(70), '1'.repeat(40), '日本語'.repeat(30), '12.34 GB', long],
    [ID, 'one two three '.repeat(20), '', 'e\u0301'.repeat(90), '', ''],
  ];
  const lines = renderTable(COLUMNS, rows, width).split('\n');

  test('no line is wider, but for what may not be cut', () => {
    const wide = lines.filter((line) => widthOf(line) > width).map((line) => line.trim());
    expect(
      wide.filter((line) => ![long, '1'.repeat(40), PATH].includes(line) && !/日|e\u0301/.test(line)),
    ).toEqual([]);
  });

  test('an id and a path are never split', () => {
    const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
    expect([count(ID), count(long), count(PATH)]).toEqual([4, 1, 1]);
  });
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
    [{ title: 'ID', fit: 'whole' }, { title: 'REPORTS' }],
    [
      ['x'.repeat(46), 'missing b 25m, missing c 1h'],
      ['y', 'abcdefghijklmnop q r'],
    ],
    60,
  );

  expect(rows.map((lines) => lines.map((line) => line.slice(48)))).toEqual([
    ['missing b', '25m, missing', 'c 1h'],
    ['abcdefghijkl', 'mnop q r'],
  ]);
});

test('rows that come later get wider columns, under the same titles', () => {
  const table = new TableWriter([{ title: 'ID', fit: 'whole' }, { title: 'WHAT' }], 80);

  expect(table.rows([['1', 'a']])).toBe('ID  WHAT\n1   a');
  expect(table.rows([['1234', 'b']])).toBe('1234  b');
  expect(table.rows([['2', 'c']])).toBe('2     c');
});

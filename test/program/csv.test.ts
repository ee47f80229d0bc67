import { csvLine, type CsvCell } from '@filer/program';
import { expect, test } from 'vitest';

test.each<[CsvCell, string]>([
  ['=1+1', "'=1+1"],
  ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ['+cmd|/c calc', "'+cmd|/c calc"],
  ['-cmd', "'-cmd"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['\n=1', '"\'\n=1"'],
  ['\uFF1D1+1', "'\uFF1D1+1"],
  ['-5.5e3', '-5.5e3'],
  ['+1', '+1'],
  ['-5+cmd', "'-5+cmd"],
  [-3, '-3'],
  ['-', '-'],
  ['plain, "quoted"', '"plain, ""quoted"""'],
  [null, ''],
  [true, 'true'],
])('%j is written as %s', (cell, written) => {
  expect(csvLine([cell])).toBe(written);
});

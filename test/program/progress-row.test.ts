import { expect, test } from 'vitest';
import { ProgressRow, type ProgressAmounts } from '../../packages/program/src/terminal/progress-row.ts';

const HALF: ProgressAmounts = {
  bytesDone: 50,
  bytesTotal: 100,
  filesDone: 0,
  filesTotal: 2,
  complete: true,
};

function lostRow(): ProgressRow {
  const row = new ProgressRow('bob', 0);
  row.take(HALF, 50, 0);
  row.mark('lost', 100);
  return row;
}

test('one that was lost stays so until new bytes come', () => {
  const row = lostRow();
  row.take(HALF, 50, 200);
  expect(row.words(9_000)).toMatchObject({ state: 'lost', status: 'reconnecting' });
  row.take({ ...HALF, bytesDone: 60 }, 60, 9_100);
  expect(row.words(9_200).state).toBe('running');
});

test('one that was lost runs again with a file of no bytes, and is done with the last one', () => {
  const row = lostRow();
  row.take({ ...HALF, filesDone: 1 }, 50, 200);
  expect(row.state).toBe('running');
  row.mark('lost', 300);
  row.take({ ...HALF, filesDone: 2 }, 50, 400);
  expect(row.state).toBe('done');
});

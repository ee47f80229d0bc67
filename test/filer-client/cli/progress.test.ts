import { expect, test } from 'vitest';
import { progressWords } from '../../../apps/filer-client/src/cli/progress-words.ts';
import { ReceiptLines } from '../../../apps/filer-client/src/cli/receipt-lines.ts';
import { TransferRate } from '../../../apps/filer-client/src/cli/transfer-rate.ts';

test('a rate is that of the last seconds, and begins anew when a file begins again', () => {
  const rate = new TransferRate();
  expect(rate.at(0, 0)).toBe(0);
  expect(rate.at(1_000, 1_000)).toBe(1_000);
  for (let second = 2; second <= 60; second++) rate.at(1_000, second * 1_000);
  expect(rate.at(1_000, 60_100)).toBe(0);
  expect(rate.at(10, 60_200)).toBe(0);
  expect(rate.at(1_010, 61_200)).toBe(1_000);
});

test('words tell bytes, files, rate and the time left', () => {
  const amounts = { bytesDone: 500_000, bytesTotal: 1_500_000, filesDone: 3, filesTotal: 10, complete: true };
  expect(progressWords(amounts, 100_000)).toBe('500 kB of 1.5 MB  3 of 10 files  100 kB/s  ETA 10s');
});

test('while folders are still walked the totals have a plus, and no time is promised', () => {
  const amounts = { bytesDone: 0, bytesTotal: 1_000, filesDone: 0, filesTotal: 1, complete: false };
  expect(progressWords(amounts, 100)).toBe('0 B of 1 kB+  0 of 1+ files  100 B/s');
});

test('the receipts of a folder become one line, but a file with another name has its own', () => {
  const lines = new ReceiptLines(['/home/project', '/home/a.txt']);
  const common = {
    type: 'receipt',
    job: 'j',
    recipient: 'bob',
    recipientId: 'B',
    digest: `blake3:${'ab'.repeat(32)}`,
    time: '2026-01-01T00:00:00.000Z',
    synced: true,
    present: false,
  } as const;
  const add = (path: string, receivedAs: string): string | undefined =>
    lines.add({ ...common, path, receivedAs, size: 1_000 });

  expect(add('/home/project/x', 'anna/project/x')).toBeUndefined();
  expect(add('/home/project/d/y', 'anna/project/d/y')).toBeUndefined();
  expect(add('/home/project/d/z', 'anna/project/d/z (1)')).toBe(
    'bob has anna/project/d/z (1) (1 kB, blake3:abababababab…, on disk), signed',
  );
  expect(add('/home/a.txt', 'anna/a.txt')).toBe(
    'bob has anna/a.txt (1 kB, blake3:abababababab…, on disk), signed',
  );
  expect(lines.sums()).toEqual(['bob has anna/project/ (2 files, 2 kB, on disk), signed']);
});

import { expect, test } from 'vitest';
import { ReceiptLines } from '../../../apps/filer-client/src/cli/files/job-following.ts';
import { FolderSums } from '../../../apps/filer-client/src/verify/folder-sums.ts';
import type {
  FileOutcome,
  ReceiptTold,
  SendEvent,
} from '../../../apps/filer-client/src/api/contract/send.ts';

const OF_BOB = { job: 'j', recipient: 'bob', recipientId: 'B' } as const;

function receipt(path: string, receivedAs: string, more: Partial<ReceiptTold> = {}): ReceiptTold {
  const digest = `blake3:${'ab'.repeat(32)}`;
  const time = '2026-01-01T00:00:00.000Z';
  const about = { type: 'receipt', ...OF_BOB, path, receivedAs, size: 1_000 } as const;
  return { ...about, digest, time, synced: true, present: false, ...more };
}

function outcome(path: string, ok: boolean): FileOutcome {
  const end = ok
    ? { code: null, message: null }
    : ({ code: 'no-space', message: 'the disk is full' } as const);
  const status = ok ? 'delivered' : 'failed';
  return { type: 'file', job: 'j', recipient: 'bob', path, ok, size: 1_000, status, reason: null, ...end };
}

/** What is told about events, as people are shown it: lines at once, then those of folders. */
function shown(named: readonly string[], events: readonly SendEvent[]): { told: string[]; lines: string[] } {
  const receipts = new ReceiptLines();
  const told: string[] = [];
  const sums = new FolderSums(named, (event) => {
    if (event.type === 'folder') receipts.folder(event);
    else told.push(event.type === 'receipt' ? receipts.line(event) : event.type);
  });
  for (const event of events) sums.take(event);
  sums.end();
  sums.end();
  return { told, lines: receipts.sums() };
}

test('the receipts of a folder become one line, but a file with another name has its own', () => {
  const { told, lines } = shown(
    ['/home/project', '/home/a.txt'],
    [
      receipt('/home/project/x', 'anna/project/x'),
      outcome('/home/project/x', true),
      receipt('/home/project/d/y', 'anna/project/d/y'),
      receipt('/home/project/d/z', 'anna/project/d/z (1)'),
      receipt('/home/a.txt', 'anna/a.txt'),
    ],
  );

  expect(told).toEqual([
    'bob has anna/project/d/z (1) (1 kB, blake3:abababababab…, on disk), signed',
    'bob has anna/a.txt (1 kB, blake3:abababababab…, on disk), signed',
  ]);
  expect(lines).toEqual(['bob has anna/project/ (2 files, 2 kB, on disk), signed']);
});

test('what failed is always told, and so is all that is no file', () => {
  const { told, lines } = shown(
    ['/home/project'],
    [
      outcome('/home/project/x', false),
      { type: 'retry', job: 'j', recipient: 'bob', reason: 'lost' },
      receipt('/home/project/y', 'anna/project/y', { synced: false }),
    ],
  );

  expect(told).toEqual(['file', 'retry']);
  expect(lines).toEqual(['bob has anna/project/ (1 file, 1 kB, not synced), signed']);
});

test('each recipient, and each folder that was named, has a line', () => {
  const carol = { recipient: 'carol', recipientId: 'C' };
  const { lines } = shown(
    ['/home/project', '/home/project/deep'],
    [
      receipt('/home/project/x', 'anna/project/x'),
      receipt('/home/project/deep/x', 'anna/deep/x'),
      receipt('/home/project/x', 'anna/project/x', carol),
    ],
  );

  expect(lines).toEqual([
    'bob has anna/project/ (1 file, 1 kB, on disk), signed',
    'bob has anna/deep/ (1 file, 1 kB, on disk), signed',
    'carol has anna/project/ (1 file, 1 kB, on disk), signed',
  ]);
});

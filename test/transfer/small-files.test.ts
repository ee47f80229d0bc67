import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ReceiptBatch } from '@filer/protocol';
import { PART_PREFIX } from '@filer/transfer';
import { verifyReceipts } from '../../packages/transfer/src/receipts/receipts.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const NAMES = Array.from({ length: 60 }, (_, n) => `file-${n}`);
const MTIME_S = 1_600_000_000;

/** A folder of many small files, half of them in one below. */
function manyFiles({ home }: TwoEnds): void {
  mkdirSync(join(home, 'tree', 'below'), { recursive: true });
  for (const [n, name] of NAMES.entries()) {
    const path = join(home, 'tree', n % 2 === 0 ? '.' : 'below', name);
    writeFileSync(path, name.repeat(n * 20), { mode: n % 3 === 0 ? 0o755 : 0o640 });
    utimesSync(path, MTIME_S + n, MTIME_S + n);
  }
}

/** All files below a folder: content, permissions and time, by path. */
function filesIn(folder: string): Record<string, unknown> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((item) => item.isFile())
      .map((item) => {
        const path = join(item.parentPath, item.name);
        const { mode, mtimeMs } = statSync(path);
        const content = createHash('sha256').update(readFileSync(path)).digest('hex');
        return [path.slice(folder.length + 1), [content, mode & 0o777, Math.floor(mtimeMs)]];
      }),
  );
}

test.each([true, false])(
  'many small files arrive as they are, and are signed for (sync: %s)',
  async (sync) => {
    const ends = await twoEnds();
    manyFiles(ends);
    const kept: ReceiptBatch[] = [];
    const { sent, received } = await transfer(ends, ['tree'], {
      send: { keep: (batch) => void kept.push(batch) },
      receive: { sync },
    });

    expect(sent).toMatchObject({ ok: true, filesDelivered: NAMES.length });
    expect(received).toMatchObject({ ok: true, filesDelivered: NAMES.length });
    expect(filesIn(join(ends.inbox, 'alice', 'tree'))).toEqual(filesIn(join(ends.home, 'tree')));
    expect(readdirSync(join(ends.inbox, 'alice'))).toEqual(['tree']);
    expect(kept.flatMap(({ files }) => files)).toHaveLength(NAMES.length);
    for (const batch of kept) {
      verifyReceipts(batch);
      expect(batch.files.every((file) => file.synced === sync)).toBe(true);
    }
  },
);

test('one of many whose name is taken by another file gets the next free name, and what is there stays', async () => {
  const ends = await twoEnds();
  manyFiles(ends);
  const there = join(ends.inbox, 'alice', 'tree');
  mkdirSync(there, { recursive: true });
  writeFileSync(join(there, 'file-10'), 'mine');

  const { sent } = await transfer(ends, ['tree'], { receive: { sync: true } });

  expect(sent.ok).toBe(true);
  expect(readFileSync(join(there, 'file-10'), 'utf8')).toBe('mine');
  expect(readFileSync(join(there, 'file-10 (1)'), 'utf8')).toBe('file-10'.repeat(200));
});

test('one of many that cannot get its place fails for itself', async () => {
  const ends = await twoEnds();
  manyFiles(ends);
  mkdirSync(join(ends.inbox, 'alice', 'tree'), { recursive: true });
  writeFileSync(join(ends.inbox, 'alice', 'tree', 'below'), 'a file where a folder is to be');

  const { sent } = await transfer(ends, ['tree'], { receive: { sync: true } });

  expect(sent).toMatchObject({ ok: false, filesDelivered: NAMES.length / 2 });
  const left = readdirSync(join(ends.inbox, 'alice'), { recursive: true });
  expect(left.filter((name) => String(name).includes(PART_PREFIX))).toEqual([]);
});

import { constants } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FreeSpace } from '@filer/transfer';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DestinationFolder } from '../../packages/transfer/src/disk/destination-folder.ts';
import { Seeding } from '../../packages/transfer/src/receive/seeding.ts';

const KIB = 1024;
/** Beyond one block, so that a file of another size is of use. */
const SIZE = 1280 * KIB;

let inbox: string;
let clones: boolean;
beforeEach(async () => {
  inbox = await mkdtemp(join(tmpdir(), 'filer-'));
  await mkdir(join(inbox, 'anna'));
  await writeFile(join(inbox, 'anna', 'big'), Buffer.alloc(2 * SIZE, 'x'));
  clones = await copyFile(
    join(inbox, 'anna', 'big'),
    join(inbox, 'clone'),
    constants.COPYFILE_FICLONE_FORCE,
  ).then(
    () => true,
    () => false,
  );
});
afterEach(() => rm(inbox, { recursive: true }));

async function seed(bytesLeft: number): Promise<{ copied: number; taken: number }> {
  using place = await DestinationFolder.open(inbox, 'anna', false, '.filer-part-stage.x');
  const space = new FreeSpace(inbox, { keepFreeBytes: 0 });
  using seeding = new Seeding({
    place,
    from: join(inbox, 'anna'),
    mayLink: false,
    space,
    known: undefined,
  });
  await space.left();
  const left = { bytes: bytesLeft, files: 10 };
  const entry = { kind: 'file', path: 'big', size: SIZE, mode: 0o644, mtimeNs: 0n } as const;
  await seeding.seed(entry, ['big'], left);
  const copy = await readFile(join(inbox, 'anna', '.filer-part-stage.x', 'big')).catch(() => undefined);
  return { copied: copy?.length ?? 0, taken: bytesLeft - left.bytes };
}

test('of a file that is there at most the size of the new one is copied, and its room taken', async () => {
  const { copied, taken } = await seed(10 * SIZE);
  // Whether it ends there is looked up with one byte.
  expect({ copied, taken }).toEqual(
    clones ? { copied: 2 * SIZE, taken: 0 } : { copied: SIZE + 1, taken: SIZE },
  );
});

test('what there is no room for is not copied: a clone needs none', async () => {
  expect(await seed(SIZE - 1)).toEqual({ copied: clones ? 2 * SIZE : 0, taken: 0 });
});

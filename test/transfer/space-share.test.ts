import { FilerError } from '@filer/protocol';
import { FreeSpace, SpaceShare } from '@filer/transfer';
import { expect, test } from 'vitest';

const beyond = (): FilerError => new FilerError('too-large', 'it is more than it leaves to others');
const code = (name: string): unknown => expect.objectContaining({ code: name });

/** A disk that is not written to, with so many blocks of a byte and inodes. */
async function spaceOf(blocks: number, inodes = 0): Promise<FreeSpace> {
  // Of so few inodes none stays free; without any there is no limit.
  const disk = { bavail: blocks, bsize: 1, files: inodes, ffree: inodes };
  const space = new FreeSpace('/', { keepFreeBytes: 0, look: () => Promise.resolve(disk) });
  await space.left();
  return space;
}

test('a share takes as many bytes as it leaves, and gives back what it did not use', async () => {
  const share = new SpaceShare(await spaceOf(100), { bytes: 0, files: 0 }, beyond);
  expect(() => share.promise(51)).toThrow(code('too-large'));
  const promised = share.promise(50);
  expect(() => share.promise(1)).toThrow(code('too-large'));
  promised.use(20);
  promised.release();
  promised.release();
  share.promise(30);
  expect(() => share.promise(1)).toThrow(code('too-large'));
  expect(() => share.promise(101)).toThrow(code('no-space'));
});

test('shares that take all they may leave an equal part', async () => {
  const space = await spaceOf(400);
  const shares = [1, 2, 3].map(() => new SpaceShare(space, { bytes: 0, files: 0 }, beyond));
  for (let refused = 0; refused < shares.length;) {
    refused = 0;
    for (const share of shares) {
      try {
        share.promise(1);
      } catch {
        refused++;
      }
    }
  }
  expect(space.now.bytes).toBe(100);
});

test('what a sender has there already counts, and so do files and folders', async () => {
  const space = await spaceOf(100, 20);
  const share = new SpaceShare(space, { bytes: 60, files: 0 }, beyond);
  expect(() => share.promise(21)).toThrow(code('too-large'));
  share.promise(20);

  const { files } = await space.left();
  const other = new SpaceShare(space, { bytes: 0, files: files - 4 }, beyond);
  expect(() => other.make(3)).toThrow(code('too-large'));
  other.make(2);
  expect(() => other.promise(0)).toThrow(code('too-large'));
  expect(() => other.make(files)).toThrow(code('no-space'));
});

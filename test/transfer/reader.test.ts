import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { BlockList, FileDigests } from '../../packages/transfer/src/digests/digests.ts';
import {
  listedReader,
  ownReader,
  type ListedFile,
  type Reader,
} from '../../packages/transfer/src/send/reader.ts';

const MiB = 1024 * 1024;
const BLOCKS = 150;
const own = Buffer.alloc(MiB);

/** Blocks of a file, small as they are, each in the place of a whole one. */
const blocks = Array.from({ length: BLOCKS }, () => randomBytes(MiB / 1024));

function listed(): ListedFile {
  const list = new BlockList();
  for (const block of blocks) list.add(digestOf(block));
  return { identity: '1:2:3:4:5', digest: 'blake3:whole', blocks: 'blake3:list', list };
}

function digestOf(block: Buffer): Buffer {
  return new FileDigests().addBlock(block);
}

/** A reader of these blocks, and the numbers of those that were read. */
function reading(content: readonly Buffer[]): { reader: Reader; read: number[] } {
  const read: number[] = [];
  const reader = listedReader((_, offset) => {
    read.push(offset / MiB);
    return content[offset / MiB] ?? Buffer.alloc(0);
  }, listed());
  return { reader, read };
}

test('of a file that was digested already only the blocks are read that the other side has not', () => {
  const { reader, read } = reading(blocks);

  for (let n = 0; n < BLOCKS; n++) {
    const isThere = n !== 70 && n !== 149;
    const bytes = blocks[n]?.length ?? 0;
    const piece = reader.next(own, n * MiB, bytes, isThere ? digestOf(blocks[n] ?? own) : digestOf(own));
    expect(piece).toMatchObject({ bytes, content: isThere ? Buffer.alloc(0) : blocks[n] });
    expect(piece?.blockDigest()).toEqual(digestOf(blocks[n] ?? own));
  }

  expect(read).toEqual([70, 149]);
  expect(reader.digests()).toEqual({ digest: 'blake3:whole', blocks: 'blake3:list' });
});

test('a block that is not what it was, or is gone, ends the reading', () => {
  expect(reading([randomBytes(MiB / 1024)]).reader.next(own, 0, MiB / 1024)).toBeUndefined();
  expect(reading([]).reader.next(own, 0, MiB / 1024)).toBeUndefined();
  expect(reading(blocks).reader.next(own, BLOCKS * MiB, 1)).toBeUndefined();
});

test('a reader for one recipient digests what it reads, block by block', () => {
  const content = randomBytes(2 * MiB + 5);
  const whole = new FileDigests();
  whole.update(content);
  const reader = ownReader((_, offset, bytes) => content.subarray(offset, offset + bytes), 'blocks');

  for (let at = 0; at < content.length; at += MiB) {
    const piece = reader.next(own, at, MiB);
    expect(piece?.bytes).toBe(piece?.content.length);
    expect(piece?.blockDigest()).toEqual(digestOf(content.subarray(at, at + MiB)));
  }

  expect(reader.digests()).toEqual(whole.finish());
});

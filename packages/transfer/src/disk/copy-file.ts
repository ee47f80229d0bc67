import { constants } from 'node:fs';
import { copyFile, open, stat } from 'node:fs/promises';
import { systemCode } from '@filer/protocol';

const BLOCK_BYTES = 256 * 1024;

/**
 * Copies a file that others may write to meanwhile, with its mode; without taking room where the file system can.
 *
 * `copyFile` of Node never ends, and keeps a thread of the pool, where a file ends before its size: one that is cut while it
 * is copied (a log that is rotated in place), or one of the kernel (`/sys`). Here only a clone is left to it, which does not read.
 *
 * @param size what the file should have, in bytes
 * @param takeRoom called before anything is read: not where it was cloned; what it throws ends the copy
 * @returns how many bytes the copy has: fewer, or one more, where the file does not hold as many as it should
 */
export async function copyUpTo(
  from: string,
  to: string,
  size: number,
  takeRoom?: () => void | Promise<void>,
): Promise<number> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return (await stat(to)).size;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  await takeRoom?.();
  // A pipe that took the file's name must not be waited for.
  await using source = await open(from, constants.O_RDONLY | constants.O_NONBLOCK);
  await using target = await open(to, 'w', 0o600);
  const block = Buffer.allocUnsafeSlow(Math.min(size + 1, BLOCK_BYTES));
  let copied = 0;
  while (copied <= size) {
    const { bytesRead } = await source.read(block, 0, Math.min(block.length, size + 1 - copied), copied);
    if (bytesRead === 0) break;
    await target.writev([block.subarray(0, bytesRead)]);
    copied += bytesRead;
  }
  await target.chmod((await source.stat()).mode & 0o7777);
  return copied;
}

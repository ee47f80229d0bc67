import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { identityOf } from '../digests/known-digests.ts';

/**
 * Brings a file that somebody else may have written, and its name, to the disk.
 *
 * @param identity what it was when its content was verified
 * @returns whether it is on the disk: not where it may not be opened
 * @throws FilerError `verification-failed` when it is another one by now, `home-not-writable` when the disk failed
 */
export async function syncPresent(folder: Folder, name: string, identity: string): Promise<boolean> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let opened = false;
  try {
    await using file = await open(folder.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    opened = true;
    if (identityOf(await file.stat({ bigint: true })) !== identity) {
      throw new FilerError(
        'verification-failed',
        `${JSON.stringify(name)} was changed at the receiver while it was compared: send it again`,
      );
    }
    await file.sync();
  } catch (error) {
    const code = systemCode(error);
    if (error instanceof FilerError || code === undefined) throw error;
    if (!opened) return false;
    const what = JSON.stringify(name);
    throw new FilerError('home-not-writable', `the receiver cannot bring ${what} to its disk (${code})`, {
      cause: error,
    });
  }
  await folder.sync();
  return true;
}

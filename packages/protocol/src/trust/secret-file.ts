import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.ts';
import { writeFailure } from '../write-failure.ts';

/**
 * Writes a file that only its owner may read, whole or not at all, and never over another.
 *
 * @returns false when there is one of this name already, which is left as it is
 * @throws FilerError `home-not-writable`, `no-space`
 */
export function createSecretFile(file: string, text: string): Promise<boolean> {
  return viaTemporary(file, text, async (temporary) => {
    try {
      await link(temporary, file);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EEXIST') return false;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
      // A file system without hard links: still never over another, though a kill may leave a part.
      return copyFile(temporary, file, constants.COPYFILE_EXCL).then(
        () => true,
        (reason: unknown) => {
          if (systemCode(reason) === 'EEXIST') return false;
          throw reason;
        },
      );
    }
    return true;
  });
}

/** The same, in place of what is there: a reader sees the old or the new. */
export function replaceSecretFile(file: string, text: string): Promise<boolean> {
  return viaTemporary(file, text, async (temporary) => {
    await rename(temporary, file);
    return true;
  });
}

async function viaTemporary(
  file: string,
  text: string,
  place: (temporary: string) => Promise<boolean>,
): Promise<boolean> {
  const temporary = `${file}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const placed = await place(temporary);
    await syncFolder(dirname(file));
    return placed;
  } catch (error) {
    throw writeFailure(`cannot write ${file}`, file, error);
  } finally {
    // Where its folder is missing there is nothing to remove, either.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** Without it a power cut may take back a name that was already relied upon. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

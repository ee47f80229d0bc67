import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { systemCode, type Entry } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { identityOf } from '../digests/known-digests.ts';
import { secondsOf, utimesTime } from '../disk/times.ts';

/** Bits for owner, group and others: set-user-id, set-group-id and sticky never travel. */
const PERMISSIONS = 0o777;

/** What a file that needs not come is given all the same. */
export type FileFacts = Pick<Entry, 'mtimeNs' | 'mode'>;

/** Whether a file has the time, to the microsecond as times travel, and the permissions that it is to have. */
export function hasFacts(found: FileFacts, wanted: FileFacts): boolean {
  const isOfTime = secondsOf(found.mtimeNs) === secondsOf(wanted.mtimeNs);
  return isOfTime && (found.mode & PERMISSIONS) === (wanted.mode & PERMISSIONS);
}

/**
 * Gives a file whose content is right the time and the permissions that it has at its sender. A file that may not
 * be given them, or is another one by now, stays as it is: its content is what was promised.
 *
 * @param identity what it was when its content was verified
 */
export async function refreshPresent(
  folder: Folder,
  name: string,
  identity: string,
  { mtimeNs, mode }: FileFacts,
): Promise<void> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    await using file = await open(folder.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const found = await file.stat({ bigint: true });
    if (identityOf(found) !== identity) return;
    const permissions = mode & PERMISSIONS;
    if ((Number(found.mode) & PERMISSIONS) !== permissions) await file.chmod(permissions);
    if (secondsOf(found.mtimeNs) !== secondsOf(mtimeNs))
      await file.utimes(Date.now() / 1000, utimesTime(mtimeNs));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

import { fchmodSync, futimesSync } from 'node:fs';
import { systemCode } from '@filer/protocol';
import { utimesTime } from './times.ts';

/** Bits for owner, group and others: set-user-id, set-group-id and sticky never travel. */
const PERMISSIONS = 0o777;

const NO_MODES = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Gives a file that is whole the permissions and the time that it has at its sender. @throws a system error */
export function setFacts(descriptor: number, mode: number, mtimeNs: bigint): void {
  try {
    fchmodSync(descriptor, mode & PERMISSIONS);
  } catch (error) {
    // A file system without permission bits (FAT) takes the file all the same.
    if (!NO_MODES.has(systemCode(error) ?? '')) throw error;
  }
  futimesSync(descriptor, Date.now() / 1000, utimesTime(mtimeNs));
}

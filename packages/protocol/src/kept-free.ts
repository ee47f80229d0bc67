import { KEEP_FREE_FILES } from './limits.ts';

/** On a small disk this part of all inodes stays free instead. */
const SMALL_DISK_SHARE = 0.05;

/** How many inodes of a disk stay free, whatever other machines send. @param total as statfs tells */
export function filesKeptFree(total: number): number {
  return Math.min(KEEP_FREE_FILES, Math.floor(total * SMALL_DISK_SHARE));
}

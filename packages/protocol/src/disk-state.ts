import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';
import { KEEP_FREE_FILES } from './limits.ts';

/** As statfs tells. */
export interface DiskState {
  readonly bavail: number;
  readonly bsize: number;
  /** Inodes; 0 where the file system makes them as they are needed. */
  readonly files: number;
  readonly ffree: number;
}

/** On a small disk this part of all inodes stays free instead. */
const SMALL_DISK_SHARE = 0.05;

/** How many inodes of a disk stay free, whatever other machines send. @param total as statfs tells */
export function filesKeptFree(total: number): number {
  return Math.min(KEEP_FREE_FILES, Math.floor(total * SMALL_DISK_SHARE));
}

/** What may be used of a disk: bytes, below zero where less is free than stays free, and inodes, Infinity where it makes them. */
export function usableOf(
  { bavail, bsize, files, ffree }: DiskState,
  keepFreeBytes: number,
): { bytes: number; files: number } {
  return {
    bytes: bavail * bsize - keepFreeBytes,
    files: files === 0 ? Infinity : ffree - filesKeptFree(files),
  };
}

/** The disk of a folder; one that is not there yet will be on the disk of the nearest above it. @throws system errors */
export async function diskNear(folder: string): Promise<DiskState> {
  try {
    return await statfs(folder);
  } catch (error) {
    const above = dirname(folder);
    if (systemCode(error) !== 'ENOENT' || above === folder) throw error;
    return await diskNear(above);
  }
}

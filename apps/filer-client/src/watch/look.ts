import type { BigIntStats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import { checkLinkTarget, readLinkTarget, requireSize } from '@filer/transfer';
import { watchedVersion } from '../jobs/watched-version.ts';

/** Something in a watched folder, as it is now. */
export interface Found {
  /** Below the folder, `/` between components. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** It is shipped again when this changes. @see watchedVersion */
  readonly version: string;
  /** All that changes when it, or what lies in it, is written to. */
  readonly state: string;
  readonly size: number;
  /** By which the system knows it. */
  readonly inode: string;
}

export interface Folder {
  /** Where it lies. */
  readonly folder: string;
  /** What it is called at the receivers. */
  readonly name: string;
}

/**
 * Looks at something in a watched folder.
 *
 * @returns undefined when it is not there; a reason when it cannot be sent
 */
export async function look({ folder, name }: Folder, path: string): Promise<Found | FilerError | undefined> {
  const file = `${folder}/${path}`;
  try {
    const stats = await lstat(file, { bigint: true });
    if (stats.isSymbolicLink()) checkLinkTarget([name, ...path.split('/')], readLinkTarget(file, file));
    if (stats.isFile()) requireSize(file, stats);
    const kind = kindOf(stats);
    if (kind !== undefined) return foundOf(path, kind, stats);
    return new FilerError('path-unsupported', `${shown(file)} is neither a file, a folder nor a link`);
  } catch (error) {
    if (error instanceof FilerError) return error;
    const code = systemCode(error);
    if (code === undefined) throw error;
    // What stands for bytes that are no UTF-8: under the name as it was read there is nothing.
    if (file.includes('\ufffd'))
      return new FilerError('path-unsupported', `the name of ${shown(file)} is not UTF-8: rename it`);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return new FilerError('path-unreadable', `${shown(file)} cannot be looked at (${code})`, {
      cause: error,
    });
  }
}

function foundOf(path: string, kind: Found['kind'], stats: BigIntStats): Found {
  const { dev, ino, mtimeNs, ctimeNs } = stats;
  return {
    path,
    kind,
    version: watchedVersion(stats),
    state: `${ino}:${stats.size}:${mtimeNs}:${ctimeNs}`,
    size: kind === 'file' ? Number(stats.size) : 0,
    inode: `${dev}:${ino}`,
  };
}

function kindOf(stats: BigIntStats): Found['kind'] | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : undefined;
}

function shown(file: string): string {
  return JSON.stringify(file.toWellFormed());
}

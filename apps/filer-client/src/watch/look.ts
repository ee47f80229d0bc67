import type { BigIntStats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import {
  checkLinkTarget,
  folderKey,
  loop,
  readLinkTarget,
  requireNotOwn,
  requireSize,
  type Links,
} from '@filer/transfer';
import { watchedVersion } from '../send/watched-version.ts';

/** Characters of a path that a message shows; a path can have 4,096. */
const MAX_SHOWN = 400;

/** Something in a watched folder, as it is now. */
export interface Found {
  /** Below the folder, `/` between components. */
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** It is shipped again when this changes. @see watchedVersion */
  readonly version: string;
  /** All that changes when it, or what is in it, is written to. */
  readonly state: string;
  readonly size: number;
  /** By which the system knows it. */
  readonly inode: string;
  /** @see folderId */
  readonly id: string;
}

/** Tells a folder from another one that takes its path later, and may get its number: `dev:ino:birthtimeNs`. */
export function folderId({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}

export interface Folder {
  /** Where it is. */
  readonly folder: string;
  /** What it is called at the receivers. */
  readonly name: string;
  /** What to do with links in it. @default keep */
  readonly links?: Links;
  /** Refuses a folder that a link leads to. @throws FilerError */
  readonly requireSendable?: (folder: string) => Promise<void>;
}

/**
 * Looks at something in a watched folder.
 *
 * @returns undefined when it is not there; a reason when it cannot be sent
 */
export async function look(place: Folder, path: string): Promise<Found | FilerError | undefined> {
  const { folder, name, links = 'keep' } = place;
  const file = `${folder}/${path}`;
  try {
    const own = await lstat(file, { bigint: true });
    if (own.isSymbolicLink() && links === 'skip') return undefined;
    const isFollowed = own.isSymbolicLink() && links === 'copy';
    const stats = isFollowed ? await behind(place, path) : own;
    requireNotOwn(file, stats);
    if (stats.isSymbolicLink()) checkLinkTarget([name, ...path.split('/')], readLinkTarget(file, file));
    if (stats.isFile()) requireSize(file, stats);
    const kind = kindOf(stats);
    if (kind !== undefined) return foundOf(path, kind, stats);
    return new FilerError('path-unsupported', `${shownPath(file)} is neither a file, a folder nor a link`);
  } catch (error) {
    if (error instanceof FilerError) return error;
    const code = systemCode(error);
    if (code === undefined) throw error;
    // What stands for bytes that are no UTF-8: under the name as it was read there is nothing.
    if (file.includes('\ufffd'))
      return new FilerError('path-unsupported', `the name of ${shownPath(file)} is not UTF-8: rename it`);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return new FilerError(
      'path-unreadable',
      `${shownPath(file)} cannot be looked at (${code})${adviceFor(code)}`,
      { cause: error },
    );
  }
}

/** What a link leads to that goes in its place. @throws FilerError */
async function behind({ folder, requireSendable }: Folder, path: string): Promise<BigIntStats> {
  const file = `${folder}/${path}`;
  const stats = await stat(file, { bigint: true }).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
    throw new FilerError('path-missing', `the link ${shownPath(file)} leads nowhere: remove it`);
  });
  if (!stats.isDirectory()) return stats;
  const key = folderKey(stats);
  const above = path.split('/').map((_, n, all) => [folder, ...all.slice(0, n)].join('/'));
  for (const each of above) if (folderKey(await stat(each, { bigint: true })) === key) throw loop(file);
  await requireSendable?.(await realpath(file));
  return stats;
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
    id: folderId(stats),
  };
}

function kindOf(stats: BigIntStats): Found['kind'] | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : undefined;
}

/** A path in a message; only the ends of a very long one. */
export function shownPath(file: string): string {
  const path = file.toWellFormed();
  if (path.length <= MAX_SHOWN) return JSON.stringify(path);
  return JSON.stringify(`${path.slice(0, MAX_SHOWN / 2)}…${path.slice(-MAX_SHOWN / 2)}`.toWellFormed());
}

/** What helps when the system does not let a path be read. */
export function adviceFor(code: string): string {
  if (code === 'EACCES' || code === 'EPERM') return ', change its permissions';
  return code === 'ENAMETOOLONG' ? ', shorten the names above it' : '';
}

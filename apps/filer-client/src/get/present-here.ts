import { lstatSync, readlinkSync } from 'node:fs';
import { systemCode, type Entry } from '@filer/protocol';
import { identityOf, secondsOf, type KnownDigests } from '@filer/transfer';

/** What has the place of something that would be fetched; null for nothing. */
export type PresentHere = 'identical' | 'other' | 'unknown' | null;

/**
 * Looks at what is here, and reads nothing: a file is identical when its digest is remembered here and named there, or when its
 * size and time are the same.
 *
 * @param path absolute
 */
export function presentHere(
  path: string,
  entry: Entry,
  digests: KnownDigests,
  checksum: boolean,
): PresentHere {
  try {
    const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (there === undefined) return null;
    if (entry.kind === 'dir') return there.isDirectory() ? 'identical' : 'other';
    if (entry.kind === 'link')
      return there.isSymbolicLink() && readlinkSync(path) === entry.target ? 'identical' : 'other';
    if (!there.isFile() || Number(there.size) !== entry.size) return 'other';
    const known = checksum ? undefined : digests.find(identityOf(there));
    if (entry.size === 0) return 'identical';
    if (known !== undefined && entry.digest !== undefined)
      return known.digest === entry.digest ? 'identical' : 'other';
    return !checksum && secondsOf(there.mtimeNs) === secondsOf(entry.mtimeNs) ? 'identical' : 'unknown';
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return 'unknown';
  }
}

import { constants, lstatSync, type BigIntStats } from 'node:fs';
import { systemCode } from '@filer/protocol';
import { EMPTY_DIGESTS } from '../digests/digests.ts';
import type { Folder } from '../disk/folder.ts';
import { identityOf, readDigests, type KnownDigest, type KnownDigests } from '../digests/known-digests.ts';
import { isOwn } from '../disk/own-files.ts';
import type { FileFacts } from './refresh-existing.ts';
import { secondsOf } from '../disk/times.ts';

/** A file that is there. */
export interface ExistingFile extends KnownDigest {
  /** Its name in its folder. */
  readonly name: string;
  /** @see identityOf */
  readonly identity: string;
  /** Its time and permissions; undefined when it has changed since it was looked at. */
  readonly facts: FileFacts | undefined;
  /** Where it is, relative to the inbox, if that is another path than it is to have. */
  readonly elsewhere?: string;
  /** Its digests were known, not read now. */
  readonly remembered: boolean;
  /** It was copied for this transfer from another path: nothing had its own before. */
  readonly isCopy?: boolean;
}

export interface FilesThereOptions {
  /** Where digests are remembered. */
  readonly known: KnownDigests | undefined;
  /** Whether contents are read, whatever is remembered of them. */
  readonly checksum: boolean;
  /** The result is no longer needed: what is being read is read no further. */
  readonly signal?: AbortSignal | undefined;
}

/** Tells what the files are that lie where others are to go. */
export class ExistingDigests {
  readonly #options: FilesThereOptions;

  constructor(options: FilesThereOptions) {
    this.#options = options;
  }

  /** What is known of a file without reading it. */
  known(there: BigIntStats): Omit<ExistingFile, 'name'> | undefined {
    const identity = identityOf(there);
    const facts = { mtimeNs: there.mtimeNs, mode: Number(there.mode) };
    const known = this.#options.checksum ? undefined : this.#options.known?.find(identity);
    if (known !== undefined) return { ...known, identity, facts, remembered: true };
    if (there.size > 0n) return undefined;
    return { ...EMPTY_DIGESTS, identity, facts, synced: false, remembered: false };
  }

  /** A file of this size, read if it is not known; undefined when there is none, or it is not to be read. */
  async at(folder: Folder, name: string, size: number): Promise<ExistingFile | undefined> {
    const there = statsAt(folder, name);
    if (there === undefined || !isFileOf(there, size)) return undefined;
    const known = this.known(there);
    if (known !== undefined) return { ...known, name };
    try {
      const { known: digests, signal } = this.#options;
      const file = await readDigests(folder.at(name), constants.O_NOFOLLOW, digests, { signal });
      return file?.size === size ? { ...file, name, facts: undefined, remembered: false } : undefined;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined; // gone, or not to be read: as if it were not there
    }
  }
}

export function statsAt(folder: Folder, name: string): BigIntStats | undefined {
  return lstatSync(folder.at(name), { bigint: true, throwIfNoEntry: false });
}

/** Whether it is a file of this size, and none that the program keeps for itself: those are never opened. */
export function isFileOf(there: BigIntStats, size: number): boolean {
  return there.isFile() && Number(there.size) === size && !isOwn(there);
}

/** As far as times travel. */
export function isOlder(there: BigIntStats, mtimeNs: bigint): boolean {
  return secondsOf(there.mtimeNs) < secondsOf(mtimeNs);
}

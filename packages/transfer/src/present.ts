import { constants, lstatSync, type BigIntStats } from 'node:fs';
import {
  DIGEST_BLOCK_BYTES,
  MAX_PRESENT_FILES,
  systemCode,
  type Entry,
  type OnConflict,
  type PresentFile,
} from '@filer/protocol';
import { numberedName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { digestOfFile, type KnownDigests } from './known-digests.ts';
import type { Place } from './place.ts';

export interface PresentOptions {
  readonly place: Place;
  readonly onConflict: OnConflict;
  /** Where digests are remembered; undefined to read in any case. */
  readonly known: KnownDigests | undefined;
  /**
   * The digest of what this sender delivered last at a path, relative to the inbox; undefined for what is not its own.
   */
  readonly delivered: (path: string) => string | undefined;
}

/** What is there of a file that is announced. */
export interface Found {
  /** It needs not come: identical, or the conflict rule says so. */
  readonly have?: string;
  /** Of its size, and perhaps identical. */
  readonly files: readonly PresentFile[];
  /** The size of an older version to compare blocks with, 0 for none. */
  readonly basisBytes: number;
}

/** What lies already where files are to go: skipped when it is identical, compared, or replaced. */
export class Present {
  readonly #options: PresentOptions;

  constructor(options: PresentOptions) {
    this.#options = options;
  }

  /** Looks for one entry, in the folder that it goes to. @throws FilerError of the folder */
  async look(entry: Entry, components: readonly string[]): Promise<Found> {
    const { place, onConflict } = this.#options;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    const pathOf = (name: string): string => place.pathOf(parents, name);
    const there = statsAt(place.require(parents), own);
    if (there === undefined) return { files: [], basisBytes: 0 };
    if (onConflict === 'skip' || (onConflict === 'newer' && !isOlder(there, entry.mtimeNs))) {
      return { have: pathOf(own), files: [], basisBytes: 0 };
    }
    const files = await place.inFolder(parents, (folder) => this.#sameSize(folder, own, entry.size));
    const identical = files.find(({ digest }) => entry.size === 0 || digest === entry.digest);
    if (identical !== undefined) return { have: pathOf(identical.path), files: [], basisBytes: 0 };
    const candidates = entry.digest === undefined ? files : [];
    return {
      files: candidates.map(({ digest, path }) => ({ digest, path: pathOf(path) })),
      basisBytes: isBasis(there, entry.size) ? Number(there.size) : 0,
    };
  }

  /** Files of this size under the name and its numbered forms; `path` is their name. */
  async #sameSize(folder: Folder, own: string, size: number): Promise<PresentFile[]> {
    const files: PresentFile[] = [];
    for (let n = 0; files.length < MAX_PRESENT_FILES; n++) {
      const path = numberedName(own, n);
      const there = statsAt(folder, path);
      if (there === undefined) return files;
      if (!there.isFile() || Number(there.size) !== size) continue;
      const digest = await this.#digestAt(folder, path);
      if (digest !== undefined) files.push({ digest, path });
    }
    return files;
  }

  async #digestAt(folder: Folder, name: string): Promise<string | undefined> {
    try {
      return await digestOfFile(folder.at(name), constants.O_NOFOLLOW, this.#options.known);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined; // gone, or not to be read: as if it were not there
    }
  }

  /** Whether a file that came may replace the one of its name: only what the same sender delivered, as it was. */
  async mayReplace(folder: Folder, components: readonly string[], mtimeNs: bigint): Promise<boolean> {
    const { onConflict, delivered, place } = this.#options;
    if (onConflict !== 'overwrite' && onConflict !== 'newer') return false;
    const own = components.at(-1) ?? '';
    const there = statsAt(folder, own);
    if (there === undefined || !there.isFile()) return false;
    if (onConflict === 'newer' && !isOlder(there, mtimeNs)) return false;
    const digest = delivered(place.pathOf(components.slice(0, -1), own));
    return digest !== undefined && digest === (await this.#digestAt(folder, own));
  }
}

function statsAt(folder: Folder, name: string): BigIntStats | undefined {
  return lstatSync(folder.at(name), { bigint: true, throwIfNoEntry: false });
}

/** Times travel to the microsecond. */
function isOlder(there: BigIntStats, mtimeNs: bigint): boolean {
  return there.mtimeNs / 1000n < mtimeNs / 1000n;
}

function isBasis(there: BigIntStats, size: number): boolean {
  return there.isFile() && Number(there.size) > DIGEST_BLOCK_BYTES && size > DIGEST_BLOCK_BYTES;
}

import { linkSync, type BigIntStats } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { DIGEST_BLOCK_BYTES, FilerError, systemCode, type Entry } from '@filer/protocol';
import { identityOf, type KnownDigests } from '../digests/known-digests.ts';
import { copyUpTo } from '../disk/copy-file.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { Folder } from '../disk/folder.ts';
import { FolderPath } from '../disk/folder-path.ts';
import type { Space, Promised } from '../disk/free-space.ts';
import { isOwn } from '../disk/own-files.ts';
import { utimesTime } from '../disk/times.ts';
import { statsAt } from './existing-digests.ts';
import { takeRoom, type Room } from './receive-policy.ts';
import { hasFacts } from './refresh-existing.ts';

export interface SeedingOptions {
  /** The hidden folder. */
  readonly place: DestinationFolder;
  /** Where its files are to go, absolute. */
  readonly from: string;
  readonly mayLink: boolean;
  readonly space: Space;
  readonly known: KnownDigests | undefined;
}

/**
 * Puts into a stage what is there already under the names that are to come, so that only what changed travels: as a clone, which
 * takes no room, where the file system can; as a second name, where this machine's owner allows that; else as a copy.
 */
export class Seeding implements Disposable {
  readonly #options: SeedingOptions;
  readonly #root: Folder;
  readonly #folders: FolderPath;

  constructor(options: SeedingOptions) {
    this.#options = options;
    this.#root = Folder.openOwn(options.from);
    this.#folders = new FolderPath(this.#root);
  }

  /**
   * @param left what copies are taken from
   * @returns undefined where there is nothing to wait for
   */
  seed(entry: Entry, components: readonly string[], left: Room): Promise<void> | undefined {
    const own = components.at(-1) ?? '';
    const there = this.#find(components, own);
    if (there === undefined || !isOfUse(there, entry)) return undefined;
    if (statsAt(this.#options.place.require(components.slice(0, -1)), own) !== undefined) return undefined;
    return this.#copy(entry, components, own, there, left);
  }

  [Symbol.dispose](): void {
    this.#folders[Symbol.dispose]();
    this.#root[Symbol.dispose]();
  }

  #find(components: readonly string[], own: string): BigIntStats | undefined {
    try {
      const folder = this.#folders.at(components.slice(0, -1));
      return folder === undefined ? undefined : statsAt(folder, own);
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return undefined; // not to be looked into: then all of it comes
    }
  }

  /** What cannot be copied comes over the wire. */
  async #copy(
    entry: Entry,
    components: readonly string[],
    own: string,
    there: BigIntStats,
    left: Room,
  ): Promise<void> {
    const { place, mayLink, known, space } = this.#options;
    const bytes = Math.min(Number(there.size), entry.size);
    let promised: Promised | undefined;
    const promise = (): void => {
      takeRoom(left, bytes);
      promised = space.promise(bytes);
    };
    const parents = components.slice(0, -1);
    await place.inFolder(parents, async (into) => {
      using source = this.#folders.at(parents)?.again();
      if (source === undefined) return;
      try {
        const isSame = hasFacts({ mtimeNs: there.mtimeNs, mode: Number(there.mode) }, entry);
        if (mayLink && isSame && Number(there.size) === entry.size) {
          linkSync(source.at(own), into.at(own));
          const linked = statsAt(into, own);
          if (linked !== undefined) this.#remember(there, linked, known);
          return;
        }
        await copyUpTo(source.at(own), into.at(own), bytes, promise);
        promised?.use(bytes);
        await utimes(into.at(own), Date.now() / 1000, utimesTime(there.mtimeNs));
        const after = statsAt(source, own);
        const copy = statsAt(into, own);
        if (copy?.size === there.size && after !== undefined && identityOf(after) === identityOf(there))
          this.#remember(there, copy, known);
      } catch (error) {
        if (systemCode(error) === undefined) throw error;
      } finally {
        promised?.release();
      }
    });
  }

  #remember(there: BigIntStats, copy: BigIntStats, known: KnownDigests | undefined): void {
    const digests = known?.find(identityOf(there));
    if (digests !== undefined)
      known?.keepWritten(copy, there.mtimeNs, Number(there.size), { ...digests, synced: false });
  }
}

/** A file that may be the same, or one of which most blocks may be. */
function isOfUse(there: BigIntStats, { size }: Entry): boolean {
  if (!there.isFile() || isOwn(there) || size === 0) return false;
  return (
    Number(there.size) === size || (size > DIGEST_BLOCK_BYTES && Number(there.size) > DIGEST_BLOCK_BYTES)
  );
}

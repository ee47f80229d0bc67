import { closeSync, constants, fsync, openSync, unlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { FilerError, systemCode, type Digests, type Entry } from '@filer/protocol';
import { digestsOfSmall } from '../digests/digests.ts';
import { readDigests } from '../digests/known-digests.ts';
import { copyUpTo } from '../disk/copy-file.ts';
import { canSyncFileSystem, syncFileSystem } from '../disk/file-system-sync.ts';
import { takeFreeName } from '../disk/final-name.ts';
import type { Space } from '../disk/free-space.ts';
import { partIn, type Hidden } from '../disk/hidden.ts';
import { setFacts } from '../disk/set-facts.ts';
import { contentOf, dropPart, writePart } from '../disk/small-part.ts';
import { DeliveredPlaces, type DeliveredPlace, type DeliveredPlacesOptions } from './delivered-places.ts';
import { isFileOf, statsAt, type ExistingFile } from './existing-digests.ts';
import type { ExistingFiles } from './existing-files.ts';
import { identityOf } from '../digests/known-digests.ts';
import type { Ownership } from './ownership.ts';
import { takeAllowed, takeRoom, type Allowance, type Room } from './receive-policy.ts';

const syncDescriptor = promisify(fsync);

/** One file is copied so often for one transfer: the sender has said 100 bytes for each. */
const MAX_COPIES = 16;

/** Files up to this size are copied in one go. */
const SMALL_BYTES = 128 * 1024;

/** From so many on they are brought to the disk together. */
const LEAST_TOGETHER = 16;

export interface MovedFilesOptions extends DeliveredPlacesOptions {
  readonly present: ExistingFiles;
  readonly ownership: Ownership;
  readonly space: Space;
  readonly allowance: Allowance;
  readonly sync: boolean;
  readonly mark: string | undefined;
}

/** What a sender announces of a file. */
type Announced = Pick<Entry, 'path' | 'size' | 'mode' | 'mtimeNs'>;

/** One that is copied under a hidden name. */
interface Copied {
  readonly entry: number;
  readonly announced: Announced;
  readonly components: readonly string[];
  readonly hidden: Hidden;
  readonly digests: Digests;
  readonly isSynced: boolean;
}

/** What became of a copy: without a file, it has to come. */
export interface Moved {
  readonly entry: number;
  readonly announced: Announced;
  readonly components: readonly string[];
  readonly there: ExistingFile | undefined;
}

/**
 * Files that this sender delivered before under another name, and which are still there: a file that was given another name,
 * or all of a folder that was, is copied here, as a clone where the file system can, and nothing of it travels. What counts is
 * the digest of the copy.
 */
export class MovedFiles implements Disposable {
  readonly #options: MovedFilesOptions;
  readonly #places: DeliveredPlaces;
  #copied: Copied[] = [];

  constructor(options: MovedFilesOptions) {
    this.#options = options;
    this.#places = new DeliveredPlaces(options);
  }

  /**
   * Copies a file that is announced, if its content is here under another name and nothing has its own.
   *
   * @param left what copies are taken from
   * @returns whether `placed` will say what became of it; undefined where there is nothing to look for
   */
  copy(
    entry: number,
    announced: Entry,
    components: readonly string[],
    left: Room,
  ): Promise<boolean> | undefined {
    const { digest } = announced;
    if (digest === undefined || !this.#isNew(announced, components)) return undefined;
    const copying = this.#copy(entry, announced, components, digest, left);
    return copying.then((copied) => {
      if (copied !== undefined) this.#copied.push(copied);
      return copied !== undefined;
    });
  }

  /**
   * Files of the size and time of one that is announced without its digest, which may be it: its sender reads it to compare
   * them, and nothing else. What is small comes sooner than that.
   *
   * @returns undefined where there is nothing to look for
   */
  alike(announced: Entry, components: readonly string[]): Promise<readonly ExistingFile[]> | undefined {
    const { digest, size } = announced;
    if (digest !== undefined || size <= SMALL_BYTES || !this.#isNew(announced, components)) return undefined;
    return this.#places.alike(announced, components.at(-1) ?? '');
  }

  /** Copies a file that its sender says to be one that `alike` gave. @returns undefined where that is not so any more */
  async bring(
    entry: number,
    announced: Announced,
    components: readonly string[],
    digest: string,
  ): Promise<ExistingFile | undefined> {
    const left = await this.#options.space.left(announced.size);
    const copied = await this.#copy(entry, announced, components, digest, left);
    const [moved] = copied === undefined ? [] : await this.#place([copied]);
    return moved?.there;
  }

  #isNew({ kind, size, growing }: Entry, components: readonly string[]): boolean {
    if (kind !== 'file' || size === 0 || growing === true) return false;
    const parents = this.#options.place.require(components.slice(0, -1));
    return statsAt(parents, components.at(-1) ?? '') === undefined;
  }

  /** Brings the copies to the disk, and names them. */
  async placed(): Promise<readonly Moved[]> {
    return await this.#place(this.#copied.splice(0));
  }

  async #place(copied: readonly Copied[]): Promise<readonly Moved[]> {
    if (copied.length === 0) return [];
    const { sync, place } = this.#options;
    const isTogether = sync && copied.length >= LEAST_TOGETHER && canSyncFileSystem(place.folder);
    const toDisk = async (each: () => Promise<unknown>): Promise<boolean> =>
      !sync || (await succeeded(isTogether ? () => syncFileSystem(place.folder) : each));
    const isWritten = await toDisk(() => Promise.all(copied.map(syncPart)));
    const named: Copied[] = [];
    for (const each of copied)
      if (isWritten && (await succeeded(() => this.#name(each)))) named.push(each);
      else dropPart(each.hidden);
    const isNamed =
      named.length === 0 || (await toDisk(() => Promise.all(named.map((each) => this.#syncName(each)))));
    const there = new Map<Copied, ExistingFile>();
    for (const each of named) {
      const file = isNamed ? this.#found(each) : undefined;
      if (file === undefined) this.#unname(each);
      else there.set(each, file);
    }
    await Promise.all([...there.keys()].map((each) => this.#note(each)));
    return copied.map((each) => ({ ...each, there: there.get(each) }));
  }

  [Symbol.dispose](): void {
    for (const { hidden } of this.#copied.splice(0)) dropPart(hidden);
    this.#places[Symbol.dispose]();
  }

  async #copy(
    entry: number,
    announced: Announced,
    components: readonly string[],
    digest: string,
    left: Room,
  ): Promise<Copied | undefined> {
    const { place, mark } = this.#options;
    const { size } = announced;
    for (const from of await this.#places.ofDigest(digest)) {
      if (from.copies >= MAX_COPIES) continue;
      const hidden = partIn(place.folder, mark);
      const room = this.#takeRoom(size, left);
      if (room === undefined) return undefined;
      try {
        const digests = await this.#copyFrom(from, announced, digest, hidden);
        if (digests !== undefined) {
          from.copies++;
          room.use();
          const isSynced = size > SMALL_BYTES;
          return { entry, announced, components, hidden, digests, isSynced };
        }
      } catch (error) {
        if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      }
      dropPart(hidden);
      room.giveBack();
    }
    return undefined;
  }

  /** @returns undefined where there is no room: as if nothing were here, and the usual way says so */
  #takeRoom(bytes: number, left: Room): { use(): void; giveBack(): void } | undefined {
    const { allowance, space } = this.#options;
    const taken: (typeof left)[] = [];
    const giveBack = (): void => {
      for (const each of taken) {
        each.files += 1;
        each.bytes += bytes;
      }
    };
    try {
      takeAllowed(allowance, bytes);
      taken.push(allowance);
      takeRoom(left, bytes);
      taken.push(left);
      const promised = space.promise(bytes);
      const use = (): void => {
        promised.use(bytes);
        promised.release();
      };
      return {
        use,
        giveBack: () => {
          promised.release();
          giveBack();
        },
      };
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      giveBack();
      return undefined;
    }
  }

  /** @returns its digests; undefined where it is not what was delivered any more */
  async #copyFrom(
    from: DeliveredPlace,
    { size, mode, mtimeNs }: Announced,
    digest: string,
    hidden: Hidden,
  ): Promise<Digests | undefined> {
    using there = this.#places.open(from, size);
    if (there === undefined) return undefined;
    if (size <= SMALL_BYTES) {
      const content = contentOf(there.path, { size, digest });
      if (content === undefined) return undefined;
      writePart({ hidden, size, mode, mtimeNs, digest }, content);
      return digestsOfSmall(content);
    }
    const copy = pathOf(hidden);
    if ((await copyUpTo(there.path, copy, size)) !== size) return undefined;
    const read = await readDigests(copy, constants.O_NOFOLLOW, undefined, { signal: this.#options.gone });
    if (read?.digest !== digest) return undefined;
    const descriptor = openSync(copy, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      setFacts(descriptor, mode, mtimeNs);
      if (this.#options.sync) await syncDescriptor(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return { digest: read.digest, blocks: read.blocks };
  }

  async #name({ components, hidden }: Copied): Promise<void> {
    const own = components.at(-1) ?? '';
    const isTaken = await this.#options.place.inFolder(components.slice(0, -1), (folder) =>
      takeFreeName(hidden, folder, own),
    );
    if (!isTaken) throw new FilerError('name-refused', `${JSON.stringify(own)} is taken meanwhile`);
  }

  async #syncName({ components }: Copied): Promise<void> {
    await this.#options.place.inFolder(components.slice(0, -1), (folder) => folder.sync());
  }

  #found({ components, announced, digests }: Copied): ExistingFile | undefined {
    const name = components.at(-1) ?? '';
    const stats = statsAt(this.#options.place.require(components.slice(0, -1)), name);
    if (stats === undefined || !isFileOf(stats, announced.size)) return undefined;
    const facts = { mtimeNs: stats.mtimeNs, mode: Number(stats.mode) };
    const identity = identityOf(stats);
    return { ...digests, name, identity, facts, synced: this.#options.sync, remembered: false, isCopy: true };
  }

  async #note({ entry, announced, components, digests }: Copied): Promise<void> {
    const { place, present, ownership, sync: synced } = this.#options;
    const { path: name, size, mtimeNs } = announced;
    const own = components.at(-1) ?? '';
    const stats = statsAt(place.require(components.slice(0, -1)), own);
    await ownership.note(components, own, digests.digest, stats?.mtimeNs);
    const path = place.pathOf(components.slice(0, -1), own);
    if (stats !== undefined) present.written(stats, mtimeNs)({ entry, name, path, size, ...digests, synced });
  }

  #unname({ components, announced, digests }: Copied): void {
    const path = this.#options.place.require(components.slice(0, -1)).at(components.at(-1) ?? '');
    try {
      const isSmall = announced.size <= SMALL_BYTES;
      if (!isSmall || contentOf(path, { size: announced.size, digest: digests.digest }) !== undefined)
        unlinkSync(path);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }
}

/** A new descriptor reports a write that failed, as long as no other was. */
async function syncPart({ hidden, isSynced }: Copied): Promise<void> {
  if (isSynced) return;
  const descriptor = openSync(pathOf(hidden), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await syncDescriptor(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function succeeded(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
    return false;
  }
}

function pathOf({ folder, file }: Hidden): string {
  return folder.at(file);
}

import { constants, lstatSync, type BigIntStats } from 'node:fs';
import {
  DIGEST_BLOCK_BYTES,
  FilerError,
  MAX_PRESENT_FILES,
  systemCode,
  type Entry,
  type OnConflict,
  type ReceiptFile,
} from '@filer/protocol';
import { EMPTY_DIGESTS } from './digests.ts';
import { numberedName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { identityOf, readDigests, versionOf, type KnownDigest, type KnownDigests } from './known-digests.ts';
import { isOwn } from './own-files.ts';
import type { Place } from './place.ts';
import { hasFacts, refreshPresent, type FileFacts } from './refresh-present.ts';
import { syncPresent } from './sync-present.ts';
import { secondsOf } from './times.ts';

/** Names `name (n)` that are looked at for one entry: whoever fills a folder with them is not to keep it busy. */
const MAX_LOOKS = 1_000;

export interface PresentOptions {
  readonly place: Place;
  readonly onConflict: OnConflict;
  /** Where digests are remembered. */
  readonly known: KnownDigests | undefined;
  /** Whether contents are read, whatever is remembered of them. */
  readonly checksum: boolean;
  /**
   * The digest of what this sender delivered last at a path, relative to the inbox; undefined for what is not its
   * own. `all` where whoever asks for the files is also whose files they may replace.
   */
  readonly delivered: 'all' | ((path: string) => string | undefined);
  /** Nobody wants to know any more: what is being read is read no further. */
  readonly signal?: AbortSignal | undefined;
}

/** A file that is there. */
export interface There extends KnownDigest {
  /** Its name in its folder. */
  readonly name: string;
  /** @see identityOf */
  readonly identity: string;
  /** Its time and permissions; undefined when it has changed since it was looked at. */
  readonly facts: FileFacts | undefined;
  /** Its digests were known, not read now. */
  readonly remembered: boolean;
}

/** What is there of a file that is announced. */
export interface Found {
  /** The file itself: it needs not come. */
  readonly identical?: There;
  /** The conflict rule keeps what has its name. */
  readonly kept?: boolean;
  /** Of its size, and perhaps identical. */
  readonly files: readonly There[];
  /** The size of an older version to compare blocks with, 0 for none. */
  readonly basisBytes: number;
}

/** What lies already where files are to go: skipped when it is identical, compared, or replaced. */
export class Present {
  readonly #options: PresentOptions;

  constructor(options: PresentOptions) {
    this.#options = options;
  }

  /** Does something that looks for many, and waits for nothing. */
  together<T>(work: () => T): T {
    const { known } = this.#options;
    return known === undefined ? work() : known.together(work);
  }

  /**
   * One look for one entry, in the folder that it goes to: as a rule nothing is there, or nothing has changed.
   * Nothing is opened.
   *
   * @returns what there is, or what `look` has to go on with
   * @throws FilerError of the folder
   */
  glance(entry: Entry, components: readonly string[]): Found | BigIntStats {
    const own = components.at(-1) ?? '';
    const there = statsAt(this.#options.place.require(components.slice(0, -1)), own);
    if (there === undefined) return NOTHING;
    requireAnother(there, entry);
    if (entry.growing === true) return this.#ofGrowing(there, entry);
    const known = this.#ofSize(there, entry.size) ? this.#known(there) : undefined;
    if (known === undefined || !isSame(known, entry)) return there;
    return { ...NOTHING, identical: { ...known, name: own } };
  }

  /** Looks closer at what lies where an entry goes. @param there what `glance` gave @throws FilerError of the folder */
  async look(there: BigIntStats, entry: Entry, components: readonly string[]): Promise<Found> {
    const { place, onConflict } = this.#options;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    return await place.inFolder(parents, async (folder) => {
      if (onConflict === 'skip' || (onConflict === 'newer' && !isOlder(there, entry.mtimeNs))) {
        // Only what the sender names is worth reading: in no case does it come.
        const file = entry.digest === undefined ? undefined : await this.#fileAt(folder, own, entry.size);
        return file !== undefined && isSame(file, entry)
          ? { ...NOTHING, identical: file }
          : { ...NOTHING, kept: true };
      }
      const files: There[] = [];
      const most = (await this.replaceable(folder, components, entry.mtimeNs)) ? 1 : MAX_PRESENT_FILES;
      for (let [n, compared] = [0, 0]; compared < most && n < MAX_LOOKS; n++) {
        const name = numberedName(own, n);
        const other = statsAt(folder, name);
        if (other === undefined) break;
        requireAnother(other, entry);
        const file = await this.#fileAt(folder, name, entry.size);
        if (file === undefined) continue;
        compared++;
        if (isSame(file, entry)) return { ...NOTHING, identical: file };
        if (entry.digest === undefined) files.push(file);
      }
      return { files, basisBytes: isBasis(there, entry.size) ? Number(there.size) : 0 };
    });
  }

  /** What is still being written nobody knows yet: it is no other file's equal. */
  #ofGrowing(there: BigIntStats, { size, mtimeNs }: Entry): Found {
    const { onConflict } = this.#options;
    const keeps = onConflict === 'skip' || (onConflict === 'newer' && !isOlder(there, mtimeNs));
    return { ...NOTHING, kept: keeps, basisBytes: isBasis(there, size) ? Number(there.size) : 0 };
  }

  #ofSize(there: BigIntStats, size: number): boolean {
    return there.isFile() && Number(there.size) === size && !isOwn(there);
  }

  #known(there: BigIntStats): Omit<There, 'name'> | undefined {
    const identity = identityOf(there);
    const facts = { mtimeNs: there.mtimeNs, mode: Number(there.mode) };
    const known = this.#options.checksum ? undefined : this.#options.known?.find(identity);
    if (known !== undefined) return { ...known, identity, facts, remembered: true };
    if (there.size > 0n) return undefined;
    return { ...EMPTY_DIGESTS, identity, facts, synced: false, remembered: false };
  }

  /** A file of this size, read if it is not known; undefined when there is none, or it is not to be read. */
  async #fileAt(folder: Folder, name: string, size: number): Promise<There | undefined> {
    const there = statsAt(folder, name);
    if (there === undefined || !this.#ofSize(there, size)) return undefined;
    const remembered = this.#known(there);
    if (remembered !== undefined) return { ...remembered, name };
    try {
      const { known, signal } = this.#options;
      const file = await readDigests(folder.at(name), constants.O_NOFOLLOW, known, { signal });
      return file?.size === size ? { ...file, name, facts: undefined, remembered: false } : undefined;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined; // gone, or not to be read: as if it were not there
    }
  }

  /**
   * The identity of the file of its name, if one that came may replace that: only what the same sender delivered, as
   * it was.
   */
  async replaceable(
    folder: Folder,
    components: readonly string[],
    mtimeNs: bigint,
  ): Promise<string | undefined> {
    const { onConflict, delivered, place } = this.#options;
    if (onConflict !== 'overwrite' && onConflict !== 'newer') return undefined;
    const own = components.at(-1) ?? '';
    const there = statsAt(folder, own);
    if (there === undefined || !there.isFile()) return undefined;
    if (onConflict === 'newer' && !isOlder(there, mtimeNs)) return undefined;
    if (delivered === 'all') return identityOf(there);
    const digest = delivered(place.pathOf(components.slice(0, -1), own));
    if (digest === undefined) return undefined;
    const file = await this.#fileAt(folder, own, Number(there.size));
    return file?.digest === digest ? file.identity : undefined;
  }

  /** How a file that was put in place just now may be remembered, once it is noted. @see KnownDigests.keepWritten */
  written(folder: Folder, name: string, mtimeNs: bigint): (file: ReceiptFile) => void {
    const stats = statsAt(folder, name);
    if (stats === undefined) return () => undefined;
    return ({ size, digest, blocks, synced }) =>
      this.#options.known?.keepWritten(stats, mtimeNs, size, { digest, blocks, synced });
  }

  /** Whether there is nothing to do for a file that needs not come, but to say so. */
  isSettled({ remembered, synced, facts }: There, wanted: FileFacts, sync: boolean): boolean {
    return remembered && (synced || !sync) && facts !== undefined && hasFacts(facts, wanted);
  }

  /** Gives a file that needs not come the time and permissions it has at its sender, if that is whose file it is. */
  async refresh(
    components: readonly string[],
    { name, digest, identity }: There,
    facts: FileFacts,
  ): Promise<void> {
    const { onConflict, delivered, place } = this.#options;
    const parents = components.slice(0, -1);
    if (onConflict === 'skip') return;
    if (delivered !== 'all' && delivered(place.pathOf(parents, name)) !== digest) return;
    await place.inFolder(parents, async (folder) => {
      const there = statsAt(folder, name);
      if (there === undefined || (onConflict === 'newer' && !isOlder(there, facts.mtimeNs))) return;
      await refreshPresent(folder, name, identity, facts);
    });
  }

  /**
   * Brings a file that is there to the disk, unless it is known to be.
   *
   * @returns whether it is on the disk: not where it may not be opened
   * @throws FilerError `verification-failed` when it is another one by now, `home-not-writable` when the disk failed
   */
  async sync(components: readonly string[], { name, identity, synced }: There): Promise<boolean> {
    if (synced) return true;
    return await this.#options.place.inFolder(components.slice(0, -1), async (folder) => {
      if (!(await syncPresent(folder, name, identity))) return false;
      this.#options.known?.keepSynced(identity);
      return true;
    });
  }
}

const NOTHING: Found = { files: [], basisBytes: 0 };

/** @throws FilerError `refused` for the sender's file itself, which it removes once this side has it */
function requireAnother(there: BigIntStats, { path, version }: Entry): void {
  if (version === undefined || versionOf(identityOf(there)) !== version) return;
  throw new FilerError(
    'refused',
    `${JSON.stringify(path)} is at its place here the sender's file itself, on a disk that both machines see: it is not removed`,
  );
}

function isSame({ digest }: KnownDigest, entry: Entry): boolean {
  return entry.size === 0 || digest === entry.digest;
}

function statsAt(folder: Folder, name: string): BigIntStats | undefined {
  return lstatSync(folder.at(name), { bigint: true, throwIfNoEntry: false });
}

function isOlder(there: BigIntStats, mtimeNs: bigint): boolean {
  return secondsOf(there.mtimeNs) < secondsOf(mtimeNs);
}

function isBasis(there: BigIntStats, size: number): boolean {
  const areLarge = Number(there.size) > DIGEST_BLOCK_BYTES && size > DIGEST_BLOCK_BYTES;
  return areLarge && there.isFile() && !isOwn(there);
}

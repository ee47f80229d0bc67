import type { BigIntStats } from 'node:fs';
import {
  DIGEST_BLOCK_BYTES,
  FilerError,
  MAX_PRESENT_FILES,
  type Entry,
  type ReceiptFile,
} from '@filer/protocol';
import { isFileOf, statsAt, type ExistingDigests, type ExistingFile } from './existing-digests.ts';
import { numberedName } from '../disk/final-name.ts';
import { identityOf, versionOf, type KnownDigest, type KnownDigests } from '../digests/known-digests.ts';
import { isOwn } from '../disk/own-files.ts';
import type { Ownership } from './ownership.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { hasFacts, refreshPresent, type FileFacts } from './refresh-existing.ts';
import { syncPresent } from './sync-existing.ts';

/** Names `name (n)` that are looked at for one entry: a folder that is full of them does not keep it busy. */
const MAX_LOOKS = 1_000;

export interface ExistingFilesOptions {
  readonly place: DestinationFolder;
  readonly ownership: Ownership;
  readonly files: ExistingDigests;
  /** Where digests are remembered. */
  readonly known: KnownDigests | undefined;
}

/** What is there of a file that is announced. */
export interface Found {
  /** The file itself: it needs not come. */
  readonly identical?: ExistingFile;
  /** The conflict rule keeps what has its name. */
  readonly kept?: boolean;
  /** Of its size, and perhaps identical. */
  readonly files: readonly ExistingFile[];
  /** The size of an older version to compare blocks with, 0 for none. */
  readonly basisBytes: number;
}

/** What is already where files are to go: skipped when it is identical, compared, or replaced. */
export class ExistingFiles {
  readonly #options: ExistingFilesOptions;

  constructor(options: ExistingFilesOptions) {
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
   * @returns what there is, or what `look` has to continue with
   * @throws FilerError of the folder
   */
  glance(entry: Entry, components: readonly string[]): Found | BigIntStats {
    const own = components.at(-1) ?? '';
    const there = statsAt(this.#options.place.require(components.slice(0, -1)), own);
    if (there === undefined) return NOTHING;
    requireAnother(there, entry);
    if (entry.growing === true) return this.#ofGrowing(there, entry);
    const known = isFileOf(there, entry.size) ? this.#options.files.known(there) : undefined;
    if (known === undefined || !isSame(known, entry)) return there;
    return { ...NOTHING, identical: { ...known, name: own } };
  }

  /** Looks closer at what is where an entry goes. @param there what `glance` gave @throws FilerError of the folder */
  async look(there: BigIntStats, entry: Entry, components: readonly string[]): Promise<Found> {
    const { place, ownership, files: filesThere } = this.#options;
    const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
    return await place.inFolder(parents, async (folder) => {
      if (ownership.keeps(there, entry.mtimeNs)) {
        // Only what the sender names is worth reading: in no case does it come.
        const file = entry.digest === undefined ? undefined : await filesThere.at(folder, own, entry.size);
        return file !== undefined && isSame(file, entry)
          ? { ...NOTHING, identical: file }
          : { ...NOTHING, kept: true };
      }
      const files: ExistingFile[] = [];
      for (let [n, read] = [0, 0]; read < MAX_PRESENT_FILES && n < MAX_LOOKS; n++) {
        const name = numberedName(own, n);
        const other = statsAt(folder, name);
        if (other === undefined) break;
        requireAnother(other, entry);
        if (n > 0 && !ownership.mayStandFor(components, name)) continue;
        const file = await filesThere.at(folder, name, entry.size);
        if (file === undefined) continue;
        read++;
        if (n > 0 && !ownership.hasDelivered(components, name, file.digest)) continue;
        if (isSame(file, entry)) return { ...NOTHING, identical: file };
        if (entry.digest === undefined) files.push(file);
      }
      return { files, basisBytes: isBasis(there, entry.size) ? Number(there.size) : 0 };
    });
  }

  /** What is still being written no one knows yet: it is no other file's equal. */
  #ofGrowing(there: BigIntStats, { size, mtimeNs }: Entry): Found {
    const kept = this.#options.ownership.keeps(there, mtimeNs);
    return { ...NOTHING, kept, basisBytes: isBasis(there, size) ? Number(there.size) : 0 };
  }

  /**
   * How a file that was put in place just now may be remembered, once it is noted.
   *
   * @param stats as it is in place
   * @see KnownDigests.keepWritten
   */
  written(stats: BigIntStats, mtimeNs: bigint): (file: ReceiptFile) => void {
    return ({ size, digest, blocks, synced }) =>
      this.#options.known?.keepWritten(stats, mtimeNs, size, { digest, blocks, synced });
  }

  /** Whether there is nothing to do for a file that needs not come, but to say so. */
  isSettled({ remembered, synced, facts }: ExistingFile, wanted: FileFacts, sync: boolean): boolean {
    return remembered && (synced || !sync) && facts !== undefined && hasFacts(facts, wanted);
  }

  /** @see Ownership.stands */
  stands({
    components,
    there,
  }: {
    readonly components: readonly string[];
    readonly there: ExistingFile;
  }): void {
    this.#options.ownership.stands(components, there.name);
  }

  /** @see Ownership.shared */
  shared({
    components,
    there,
  }: {
    readonly components: readonly string[];
    readonly there: ExistingFile;
  }): Promise<void> | undefined {
    return this.#options.ownership.shared(components, there.name);
  }

  /** @see Ownership.adopt */
  async adopt(components: readonly string[], { name, digest }: ExistingFile, mtimeNs: bigint): Promise<void> {
    if (name !== components.at(-1)) return;
    await this.#options.place.inFolder(components.slice(0, -1), (folder) =>
      this.#options.ownership.adopt(folder, components, digest, mtimeNs),
    );
  }

  /** Gives a file that needs not come the time and permissions it has at its sender, if that is whose file it is. */
  async refresh(
    components: readonly string[],
    { name, digest, identity }: ExistingFile,
    facts: FileFacts,
  ): Promise<void> {
    const { ownership, place } = this.#options;
    if (!ownership.hasDelivered(components, name, digest)) return;
    await place.inFolder(components.slice(0, -1), async (folder) => {
      const before = statsAt(folder, name);
      if (before === undefined || ownership.keeps(before, facts.mtimeNs)) return;
      await refreshPresent(folder, name, identity, facts);
      const after = statsAt(folder, name);
      if (after !== undefined && after.ino === before.ino && after.mtimeNs !== before.mtimeNs)
        await ownership.note(components, name, digest, after.mtimeNs);
    });
  }

  /**
   * Brings a file that is there to the disk, unless it is known to be.
   *
   * @returns whether it is on the disk: not where it may not be opened
   * @throws FilerError `verification-failed` when it is another one by now, `home-not-writable` when the disk failed
   */
  async sync(components: readonly string[], { name, identity, synced }: ExistingFile): Promise<boolean> {
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

function isBasis(there: BigIntStats, size: number): boolean {
  const areLarge = Number(there.size) > DIGEST_BLOCK_BYTES && size > DIGEST_BLOCK_BYTES;
  return areLarge && there.isFile() && !isOwn(there);
}

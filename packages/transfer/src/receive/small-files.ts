import { unlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { FilerError, systemCode, type Digests, type FileStart, type ReceiptFile } from '@filer/protocol';
import { digestsOfSmall } from '../digests/digests.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { canSyncFileSystem, syncFileSystem } from '../disk/file-system-sync.ts';
import { takeByLink } from '../disk/final-name.ts';
import { partIn, type Hidden } from '../disk/hidden.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { contentOf, dropPart, rewritePart, writePart, type SmallPart } from '../disk/small-part.ts';
import { takePlace } from '../disk/take-place.ts';
import { writeError } from '../disk/write-error.ts';
import { statsAt } from './existing-digests.ts';
import type { ExistingFiles } from './existing-files.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { Ownership } from './ownership.ts';
import type { Wanted, WantedEntries } from './wanted-entries.ts';

/** Fewer that are still to come are synced one by one: that waits for nothing that other programs write. */
const LEAST_AHEAD = 16;

/** Files that wait for the disk, or for their names, before the next one is taken. */
const MAX_WAITING = 1_024;

/** Naming files holds up all else for so long at most, in ms. */
const TURN_MS = 10;

/** A file that took longer, in ms, waited for the disk: the next ones are written by other threads, for a while. */
const SLOW_WRITE_MS = 20;
const AFTER_SLOW_MS = 1_000;

export interface SmallFilesOptions {
  readonly place: DestinationFolder;
  readonly present: ExistingFiles;
  readonly ownership: Ownership;
  readonly sync: boolean;
  readonly mark: string | undefined;
}

/** What a file is that came whole in one message. */
export interface SmallFile extends FileStart, Digests {
  readonly content: Buffer;
}

/** One that is written under a hidden name. */
interface Written extends SmallPart {
  readonly wanted: Wanted;
  readonly digests: Digests;
}

/** One that has its name, which may not be on the disk yet. */
interface Named extends Written {
  readonly components: readonly string[];
  /** What it is called. */
  readonly name: string;
  /** Whether another file gave way to it. */
  readonly hasReplaced: boolean;
}

/** Notes a file that is in place to stay, and gives its receipt. */
export type NotePlaced = (
  wanted: Wanted,
  file: ReceiptFile,
  noted: Promise<void>,
  remember: (file: ReceiptFile) => void,
) => Promise<void>;

/**
 * Many small files on their way in. Each is written at once; those that came meanwhile are brought to the disk, named, and
 * brought to the disk once more, together: one sync is for the content of some and the names of those before them.
 */
export class SmallFiles {
  readonly #options: SmallFilesOptions;
  readonly #entries: WantedEntries;
  readonly #owner: Pick<IncomingOwner, 'follow'>;
  readonly #notePlaced: NotePlaced;
  #written: Written[] = [];
  #named: Named[] = [];
  /** Never rejects. */
  #working: Promise<void> | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #slowAt = -Infinity;

  constructor(
    options: SmallFilesOptions,
    owner: Pick<IncomingOwner, 'follow'>,
    entries: WantedEntries,
    notePlaced: NotePlaced,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#entries = entries;
    this.#notePlaced = notePlaced;
  }

  /**
   * Takes a file, if it is one of many.
   *
   * @returns resolves when the next one may come; undefined where this one has to go the usual way
   */
  take(wanted: Wanted, file: SmallFile): Promise<void> | undefined {
    if (!this.#isOneOfMany(wanted, file)) return undefined;
    const digests = digestsOfSmall(file.content);
    // The usual way says what is wrong with it.
    if (digests.digest !== file.digest || digests.blocks !== file.blocks) return undefined;
    this.#entries.noLongerAhead(wanted);
    wanted.state = 'committing';
    try {
      this.#written.push(this.#write(wanted, file, digests));
      wanted.promised?.use(file.size);
    } catch (error) {
      this.#giveUp(wanted, error);
    }
    this.#working ??= this.#owner.follow(this.#work());
    if (this.#written.length + this.#named.length < MAX_WAITING) return Promise.resolve();
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  #isOneOfMany(wanted: Wanted, { size }: FileStart): boolean {
    const { sync, place } = this.#options;
    const isPlain = wanted.state === 'ahead' && wanted.files.length === 0 && !wanted.hasOlder;
    if (!isPlain || wanted.kept !== undefined || wanted.promised === undefined || wanted.size !== size)
      return false;
    if (performance.now() - this.#slowAt < AFTER_SLOW_MS) return false;
    if (this.#working !== undefined) return true;
    return this.#entries.ahead >= LEAST_AHEAD && (!sync || canSyncFileSystem(place.folder));
  }

  /** @throws FilerError `no-space`, `home-not-writable` */
  #write(wanted: Wanted, { content, size, mode, mtimeNs }: SmallFile, digests: Digests): Written {
    const { digest } = digests;
    const written = { wanted, hidden: this.#hidden(), size, mode, mtimeNs, digest, digests };
    const startedAt = performance.now();
    try {
      writePart(written, content);
    } catch (error) {
      throw writeError(wanted.name, error);
    }
    const endedAt = performance.now();
    if (endedAt - startedAt > SLOW_WRITE_MS) this.#slowAt = endedAt;
    return written;
  }

  #hidden(): Hidden {
    return partIn(this.#options.place.folder, this.#options.mark);
  }

  /** Resolves when all that was taken is in place, or has failed. */
  async ended(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  async #work(): Promise<void> {
    try {
      await turn(); // what came with it belongs to it
      while (this.#written.length + this.#named.length > 0) {
        const [written, named] = [this.#written.splice(0), this.#named.splice(0)];
        await this.#toDisk(written, named);
        this.#room?.resolve();
        this.#room = undefined;
      }
    } finally {
      this.#working = undefined;
      this.#room?.resolve();
      this.#room = undefined;
    }
  }

  async #toDisk(written: readonly Written[], named: readonly Named[]): Promise<void> {
    const { sync, place } = this.#options;
    try {
      if (sync) await syncFileSystem(place.folder);
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      await this.#oneByOne(written, named);
      return;
    }
    for (const each of named) await this.#note(each);
    let since = performance.now();
    for (const each of written) {
      await this.#name(each);
      if (performance.now() - since < TURN_MS) continue;
      await turn();
      since = performance.now();
    }
  }

  /**
   * What the disk has lost may be another program's file, or one of these: each goes there for itself. That its name does is
   * asked of its folder.
   */
  async #oneByOne(written: readonly Written[], named: readonly Named[]): Promise<void> {
    await Promise.all(named.map((each) => this.#syncName(each)));
    for (const each of written) {
      const { wanted, hidden } = each;
      const another = { ...each, hidden: this.#hidden() };
      try {
        if (!(await rewritePart(hidden, another)))
          throw Object.assign(new Error('EIO: its content was lost'), { code: 'EIO' });
        await this.#name(another);
      } catch (error) {
        this.#lose(wanted, error, () => undefined);
      }
      dropPart(hidden);
    }
  }

  async #syncName(named: Named): Promise<void> {
    try {
      await this.#options.place.inFolder(named.components.slice(0, -1), (folder) => folder.sync());
    } catch (error) {
      this.#lose(named.wanted, error, () => this.#unname(named));
      return;
    }
    await this.#note(named);
  }

  async #name(written: Written): Promise<void> {
    const { place, ownership, mark, sync } = this.#options;
    const { wanted, hidden, mtimeNs } = written;
    const components = parseSafePath(wanted.name);
    const own = components.at(-1) ?? '';
    const parents = components.slice(0, -1);
    try {
      // As a rule the name is free.
      const isTaken = takeByLink(hidden, place.require(parents), own) === true;
      const { name, hasReplaced } = isTaken
        ? { name: own, hasReplaced: false }
        : await place.inFolder(parents, async (folder) => {
            const replaces = await ownership.replaceable(folder, components, mtimeNs);
            return await takePlace(hidden, folder, own, replaces, { folder: place.folder, mark });
          });
      ownership.stands(components, name);
      const named = { ...written, components, name, hasReplaced };
      if (sync) this.#named.push(named);
      else await this.#note(named);
    } catch (error) {
      this.#lose(wanted, error, () => dropPart(hidden));
    }
  }

  async #note({ wanted, components, name, mtimeNs, digests }: Named): Promise<void> {
    const { place, ownership, present, sync: synced } = this.#options;
    const parents = components.slice(0, -1);
    try {
      const stats = statsAt(place.require(parents), name);
      const remember = stats === undefined ? () => undefined : present.written(stats, mtimeNs);
      const noted = ownership.note(components, name, digests.digest, stats?.mtimeNs);
      const { entry, name: sent, size } = wanted;
      const file = { entry, name: sent, path: place.pathOf(parents, name), size, ...digests, synced };
      await this.#notePlaced(wanted, file, noted, remember);
    } catch (error) {
      this.#giveUp(wanted, error);
    }
  }

  #lose(wanted: Wanted, error: unknown, remove: () => void): void {
    remove();
    this.#giveUp(wanted, systemCode(error) === undefined ? error : writeError(wanted.name, error));
  }

  #giveUp(wanted: Wanted, error: unknown): void {
    this.#entries.giveUp(wanted, error);
    this.#entries.forget(wanted);
  }

  /** A name that may not outlast a power cut was not delivered: it is given up again, unless another file gave way to it. */
  #unname({ components, name, hasReplaced, ...part }: Named): void {
    if (hasReplaced) return;
    try {
      const path = this.#options.place.require(components.slice(0, -1)).at(name);
      // By now that may be what somebody else put there.
      if (contentOf(path, part) !== undefined) unlinkSync(path);
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
    }
  }
}

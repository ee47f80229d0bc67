import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { systemCode, type Digests, type FileStart, type ReceiptFile } from '@filer/protocol';
import { digestsOfSmall } from '../digests/digests.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import { canSyncFileSystem, syncFileSystem } from '../disk/file-system-sync.ts';
import type { Folder } from '../disk/folder.ts';
import { takeByLink } from '../disk/final-name.ts';
import { partIn, type Hidden } from '../disk/hidden.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { setFacts } from '../disk/set-facts.ts';
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
interface Written {
  readonly wanted: Wanted;
  readonly hidden: Hidden;
  readonly mtimeNs: bigint;
  readonly digests: Digests;
}

/** One that has its name, which may not be on the disk yet. */
interface Named extends Written {
  readonly components: readonly string[];
  /** What it is called. */
  readonly name: string;
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
    const { mtimeNs } = file;
    try {
      this.#written.push({ wanted, hidden: this.#write(file, wanted.name), mtimeNs, digests });
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
    return this.#entries.ahead >= LEAST_AHEAD && (!sync || canSyncFileSystem(place.inbox));
  }

  /** @throws FilerError `no-space`, `home-not-writable` */
  #write({ content, mode, mtimeNs }: SmallFile, name: string): Hidden {
    const hidden = partIn(this.#options.place.folder, this.#options.mark);
    const startedAt = performance.now();
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(pathOf(hidden), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      // A full disk shows first as a short write.
      for (let at = 0; at < content.length;)
        at += writeSync(descriptor, content, at, content.length - at, at);
      setFacts(descriptor, mode, mtimeNs);
      const written = descriptor;
      descriptor = undefined;
      closeSync(written);
    } catch (error) {
      if (descriptor !== undefined) closeSync(descriptor);
      drop(hidden);
      throw writeError(name, error);
    }
    const endedAt = performance.now();
    if (endedAt - startedAt > SLOW_WRITE_MS) this.#slowAt = endedAt;
    return hidden;
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
      if (sync) await syncFileSystem(place.inbox);
    } catch (error) {
      // What was written may have been dropped, and would sync the second time.
      for (const { wanted, hidden } of written) this.#lose(wanted, error, () => drop(hidden));
      for (const each of named) this.#lose(each.wanted, error, () => this.#unname(each));
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

  async #name(written: Written): Promise<void> {
    const { place, ownership, mark, sync } = this.#options;
    const { wanted, hidden, mtimeNs } = written;
    const components = parseSafePath(wanted.name);
    const own = components.at(-1) ?? '';
    const parents = components.slice(0, -1);
    try {
      // As a rule the name is free.
      const isTaken = takeByLink(hidden, place.require(parents), own) === true;
      const name = isTaken
        ? own
        : await place.inFolder(parents, async (folder) => {
            const replaces = await ownership.replaceable(folder, components, mtimeNs);
            const taken = await takePlace(hidden, folder, own, replaces, { folder: place.folder, mark });
            return taken.name;
          });
      ownership.stands(components, name);
      const named = { ...written, components, name };
      if (sync) this.#named.push(named);
      else await this.#note(named);
    } catch (error) {
      this.#lose(wanted, error, () => drop(hidden));
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

  /** A name that may not outlast a power cut was not delivered: it is given up again. */
  #unname({ components, name }: Named): void {
    const folder: Folder = this.#options.place.require(components.slice(0, -1));
    attempt(() => unlinkSync(folder.at(name)));
  }
}

function pathOf({ folder, file }: Hidden): string {
  return folder.at(file);
}

/** Whatever keeps it from being removed now, `cleanParts` tries again. */
function drop(hidden: Hidden): void {
  attempt(() => unlinkSync(pathOf(hidden)));
}

function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

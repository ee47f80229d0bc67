import type { FileEnd, ReceiptFile } from '@filer/protocol';
import { statsAt } from './existing-digests.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { Ownership } from './ownership.ts';
import type { PartialFile } from '../disk/partial-file.ts';
import type { IncomingBlocks } from './incoming-blocks.ts';
import type { DestinationFolder } from '../disk/destination-folder.ts';
import type { ExistingFiles } from './existing-files.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { BoundedTasks } from '../wire/bounded-tasks.ts';
import type { Wanted, WantedEntries } from './wanted-entries.ts';

/** Files in place that may be noted together. */
const MAX_NOTES = 1_024;

export interface FinalizerOptions {
  readonly place: DestinationFolder;
  readonly present: ExistingFiles;
  readonly ownership: Ownership;
  readonly sync: boolean;
}

/** Puts files that came whole in their places, and tells the owner. */
export class Finalizer {
  readonly #options: FinalizerOptions;
  readonly #owner: IncomingOwner;
  readonly #entries: WantedEntries;
  /** Files in place that their owner is noting. */
  readonly #notes: BoundedTasks;

  constructor(options: FinalizerOptions, owner: IncomingOwner, entries: WantedEntries) {
    this.#options = options;
    this.#owner = owner;
    this.#entries = entries;
    this.#notes = new BoundedTasks((work) => owner.follow(work), MAX_NOTES);
  }

  /** Resolves when it is in place, or has failed. */
  async commit(
    wanted: Wanted,
    blocks: IncomingBlocks<PartialFile>,
    end: FileEnd,
    mtimeNs: bigint,
  ): Promise<void> {
    const { entry, name, size } = wanted;
    const components = parseSafePath(name); // taken apart again: kept for every entry they would fill the memory
    const { place, present, ownership, sync: synced } = this.#options;
    let file: ReceiptFile;
    let remember: (file: ReceiptFile) => void = () => undefined;
    let noted: Promise<void> | undefined;
    try {
      const digests = await blocks.finish(end);
      const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
      const taken = await place.inFolder(parents, async (folder) => {
        const replaces = await ownership.replaceable(folder, components, mtimeNs);
        const name = await blocks.sink.commit(folder, own, replaces);
        const stats = statsAt(folder, name);
        if (stats !== undefined) remember = present.written(stats, mtimeNs);
        // Before the owner is told: what is noted together is noted in this order.
        noted = ownership.note(components, name, digests.digest, stats?.mtimeNs);
        return name;
      });
      file = { entry, name, path: place.pathOf(parents, taken), size, ...digests, synced };
    } catch (error) {
      await blocks.sink.drop();
      this.#entries.giveUp(wanted, error);
      this.#entries.forget(wanted);
      return;
    }
    await this.noteBeside(wanted, file, noted, remember);
  }

  /** A file is in place. Resolves when the next one may be noted. */
  async noteBeside(
    wanted: Wanted,
    file: ReceiptFile,
    noted: Promise<void> | undefined,
    remember: (file: ReceiptFile) => void,
  ): Promise<void> {
    await this.#notes.begun(Promise.all([noted, this.#note(wanted, file, remember)]).then(() => undefined));
  }

  /** Resolves when what is in place is noted. */
  async noted(): Promise<void> {
    await this.#notes.ended();
  }

  /** Tells the owner of a file in place, who may need some time to note it; the next ones are placed meanwhile. */
  async #note(wanted: Wanted, file: ReceiptFile, remember: (file: ReceiptFile) => void): Promise<void> {
    const { name, size } = wanted;
    await this.#owner.inPlace(file);
    remember(file);
    this.#entries.finish(wanted);
    this.#owner.result({ name, size, status: 'delivered', path: file.path, digest: file.digest });
  }
}

import { FilerError, type RemovedFile } from '@filer/protocol';
import { contentOfRemoved, type Deliveries, type Delivered } from './deliveries.ts';
import type { FoundExtras } from './found-extras.ts';

export interface RemovalNotesOptions {
  readonly deliveries: Deliveries;
  /** The job that is being received; undefined where nothing is. */
  readonly job: string | undefined;
  readonly sync: boolean;
  /** Told about what was removed, before it is signed for. */
  readonly removed: ((paths: readonly string[]) => void | Promise<void>) | undefined;
}

/** What is remembered of removals, so that a kill or a power cut in their midst loses no record. */
export class RemovalNotes {
  readonly #options: RemovalNotesOptions;
  readonly #found: FoundExtras;
  /** What is about to be removed, as it was noted before. */
  readonly #about = new Map<string, Delivered>();
  /** Folders that have lost a name since the last note. */
  readonly #touched = new Map<string, readonly string[]>();
  /** What was removed since. */
  #gone: RemovedFile[] = [];

  constructor(options: RemovalNotesOptions, found: FoundExtras) {
    this.#options = options;
    this.#found = found;
  }

  /** Whether something was there when it was noted. */
  isAbout(path: string): boolean {
    return this.#about.has(path);
  }

  /** Something is gone, of a folder where that is so since the last note. @param parent undefined for what was gone before */
  gone(file: RemovedFile, parent?: readonly string[]): void {
    this.#gone.push(file);
    this.#about.delete(file.path);
    if (parent !== undefined) this.#touched.set(parent.join('/'), parent);
  }

  /** Notes what is about to be removed: should this program be killed, the job that continues tells of what is gone. */
  async begin(names: readonly string[]): Promise<void> {
    const { deliveries, job } = this.#options;
    if (job === undefined) return;
    const noted: Promise<void>[] = [];
    for (const name of names) {
      try {
        const found = this.#found.find(name);
        if (found === undefined || !('folder' in found)) continue;
        const removing = found.stats.isFile() ? Number(found.stats.size) : 0;
        this.#about.set(found.path, found.delivered);
        noted.push(deliveries.note(found.path, { ...found.delivered, job, removing }));
      } catch (error) {
        if (!(error instanceof FilerError)) throw error; // told when it is its turn
      }
    }
    await Promise.all(noted);
  }

  /** Notes what is gone, so that a job that continues learns it. @throws FilerError `no-space`, `home-not-writable` */
  async end(): Promise<void> {
    try {
      await this.#settle();
    } finally {
      await this.#noteKept();
    }
  }

  /** What was not removed is what it was: once it is gone, it is not this job that removed it. */
  async #noteKept(): Promise<void> {
    const { deliveries } = this.#options;
    const kept = [...this.#about];
    this.#about.clear();
    await Promise.all(
      kept.map(([path, delivered]) => deliveries.note(path, { ...delivered, removing: undefined })),
    );
  }

  /** Brings removals to the disk, and remembers them. @throws FilerError `no-space`, `home-not-writable` */
  async #settle(): Promise<void> {
    const parents = [...this.#touched.values()];
    const removed = this.#gone;
    this.#gone = [];
    this.#touched.clear();
    try {
      if (this.#options.sync) for (const parent of parents) await this.#found.folderAt(parent)?.sync();
    } finally {
      await this.#note(removed);
    }
  }

  /** Remembers what was removed, until the sender has heard of it. */
  async #note(removed: readonly RemovedFile[]): Promise<void> {
    const { deliveries, job = '' } = this.#options;
    await Promise.all(
      removed.map((file) =>
        deliveries.note(file.path, { content: contentOfRemoved(file), mtimeNs: undefined, job }),
      ),
    );
    if (removed.length > 0) await this.#options.removed?.(removed.map(({ path }) => path));
  }
}

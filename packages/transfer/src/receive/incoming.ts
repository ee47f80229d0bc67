import type { Entry, EntryAnswer, FilerError, Skip } from '@filer/protocol';
import { Finalizer, type FinalizerOptions } from './finalizer.ts';
import { EntryPlanner, type EntryPlannerOptions } from './entry-planner.ts';
import { outOfPlace } from '../wire/ending.ts';
import { FilledFolders } from '../disk/filled-folders.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { IncomingStreams } from './incoming-streams.ts';
import type { PartialFile } from '../disk/partial-file.ts';
import { PartialFiles, type PartialFilesOptions } from './partial-files.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { SmallFiles } from './small-files.ts';
import { BoundedTasks } from '../wire/bounded-tasks.ts';
import {
  ExistingFileReceipts,
  type ExistingFileReceiptsOptions,
  type Identical,
} from './existing-file-receipts.ts';
import { NOT_SENT, WantedEntries } from './wanted-entries.ts';

/** Finished files that may be synced and named side by side, while the next ones come in. */
const MAX_COMMITS = 16;

export interface IncomingOptions
  extends EntryPlannerOptions, PartialFilesOptions, FinalizerOptions, ExistingFileReceiptsOptions {}

/** The files of one transfer on their way in: asked for, streaming, or being put in place. */
export interface Incoming {
  /** What was asked for comes through here. */
  readonly streams: IncomingStreams;
  /**
   * Decides about a batch of entries.
   *
   * @param first the number of the first
   * @throws FilerError `unexpected-message` when too many are announced ahead, `home-not-writable`,
   *   `connection-closed`
   */
  announce(first: number, entries: readonly Entry[]): Promise<EntryAnswer[]>;
  /** Gives the receipts of what needs not come, after its sender was told that it needs not. */
  vouch(): Promise<void>;
  /** The sender's file is one that is here. @throws FilerError `unexpected-message` */
  skip(skip: Skip): Promise<void>;
  /**
   * The sender has nothing left to send. Resolves when every file that came whole is in place or has failed.
   *
   * @throws FilerError `unexpected-message` when something is still owed
   */
  finish(): Promise<void>;
  /** The transfer ended early: keeps what is not whole for the next try, and lets what is whole get its place. */
  stop(reason: FilerError): Promise<void>;
}

/** Those that go into a folder. */
export class IncomingToFolder implements Incoming {
  readonly streams: IncomingStreams<PartialFile>;
  readonly #entries: WantedEntries;
  readonly #folders: FilledFolders;
  readonly #commits: BoundedTasks;
  readonly #finalizer: Finalizer;
  readonly #small: SmallFiles;
  readonly #existingReceipts: ExistingFileReceipts;
  readonly #planner: EntryPlanner;
  readonly #moved: IncomingOptions['moved'];
  readonly #owner: IncomingOwner;

  constructor(options: IncomingOptions, owner: IncomingOwner) {
    this.#owner = owner;
    this.#moved = options.moved;
    this.#entries = new WantedEntries(owner, options.ownership);
    this.#folders = new FilledFolders(options.place);
    this.#commits = new BoundedTasks((work) => owner.follow(work), MAX_COMMITS);
    this.#finalizer = new Finalizer(options, owner, this.#entries);
    this.#existingReceipts = new ExistingFileReceipts(options, owner, this.#commits);
    this.#planner = new EntryPlanner(options, owner, {
      entries: this.#entries,
      folders: this.#folders,
      identical: (file) => this.#existingReceipts.add(file),
    });
    this.#small = new SmallFiles(options, owner, this.#entries, (...placed) =>
      this.#finalizer.noteBeside(...placed),
    );
    const files = new PartialFiles(options, {
      whole: (...whole) => this.#commits.begun(this.#finalizer.commit(...whole)),
      small: (...file) => this.#small.take(...file),
    });
    this.streams = new IncomingStreams(files, owner, this.#entries);
  }

  async announce(first: number, entries: readonly Entry[]): Promise<EntryAnswer[]> {
    return await this.#planner.decide(first, entries);
  }

  async vouch(): Promise<void> {
    await this.#existingReceipts.vouch();
  }

  async skip({ entry, digest }: Skip): Promise<void> {
    const wanted = this.#entries.get(entry);
    const there = wanted?.files.find((each) => each.digest === digest);
    if (wanted?.state !== 'ahead' || there === undefined) throw outOfPlace(`skipping entry ${entry}`);
    this.#entries.noLongerAhead(wanted);
    this.#entries.finish(wanted);
    const { name, size, facts } = wanted;
    const identical = { entry, name, size, components: parseSafePath(name), there, facts };
    if (there.elsewhere === undefined) await this.#existingReceipts.vouchFor(identical);
    else await this.#commits.begun(this.#bring(identical, there.elsewhere));
  }

  /** What is under another path gets this one, too. */
  async #bring(identical: Identical, elsewhere: string): Promise<void> {
    const { entry, name, size, components, facts } = identical;
    const { digest } = identical.there;
    const there = await this.#moved?.bring(entry, { path: name, size, ...facts }, components, digest);
    if (there !== undefined) {
      await this.#existingReceipts.settle({ ...identical, there });
      return;
    }
    const code = 'verification-failed';
    const message = `${JSON.stringify(elsewhere)}, which is the same file, was changed at the receiver, or there is no room for a copy: send it again`;
    this.#owner.failed({ entry, code, message });
    this.#owner.result({ name, size, status: 'failed', code, message, failedBy: 'here' });
  }

  async finish(): Promise<void> {
    if (this.streams.isOpen || this.#entries.isOwed) throw outOfPlace('done');
    await this.#settle(NOT_SENT);
  }

  async stop(reason: FilerError): Promise<void> {
    await this.streams.stop();
    await this.#settle(reason);
  }

  /** What came whole is in place and noted, or has failed; so has what did not come. */
  async #settle(reason: FilerError): Promise<void> {
    await this.#commits.ended();
    await this.#small.ended();
    await this.#finalizer.noted();
    this.#existingReceipts.failRest(reason);
    this.#entries.failRest(reason);
    await this.#folders.finish();
  }
}

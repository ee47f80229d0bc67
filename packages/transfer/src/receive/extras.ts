import { readdirSync, rmdirSync, type BigIntStats } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import {
  FilerError,
  MAX_BATCH_NAME_CHARS,
  MAX_ENTRIES_PER_BATCH,
  systemCode,
  type Extra,
  type ExtraKept,
  type ExtrasAsked,
  type RemovedFile,
} from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { FolderPath } from '../disk/folder-path.ts';
import { asideIn } from '../disk/hidden.ts';
import { Aside } from '../disk/replacing.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { utimesTime } from '../disk/times.ts';
import {
  CLOSED_FOLDER,
  contentOfRemoved,
  isClosed,
  isFolder,
  LINK,
  removedOf,
  removingOf,
  type Deliveries,
  type Delivered,
  type DeliveredAt,
} from './deliveries.ts';
import { statsAt, type ExistingDigests } from './existing-digests.ts';
import { outOfPlace } from '../wire/ending.ts';
import { identityOfUnchanged, type Standing } from './ownership.ts';

/** Rows that are read at once. */
const PAGE = 500;

/** Names of a dry run that are remembered; a folder that holds more is said to stay. */
const MAX_WOULD_GO = 200_000;

/** Removals that are noted together, before the first of them and after the last: a kill in between loses no record. */
const NOTED_AT_ONCE = 32;

/** Looking waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

export interface ExtrasOptions {
  /** The sender's folder; undefined where there is none yet. */
  readonly root: Folder | undefined;
  /** Its path, relative to the inbox; empty for the inbox itself. */
  readonly path: string;
  readonly deliveries: Deliveries;
  readonly files: ExistingDigests;
  /** The job that is being received; undefined where nothing is. */
  readonly job: string | undefined;
  /** @see Ownership.stands @param path relative to the inbox */
  readonly stands: (path: string) => Standing;
  /** Whether a folder was announced in this transfer, and is there. @param path relative to the inbox */
  readonly isAnnounced: (path: string) => boolean;
  readonly sync: boolean;
  readonly mark: string | undefined;
  /** Told about what was removed, before it is signed for. */
  readonly removed: ((paths: readonly string[]) => void | Promise<void>) | undefined;
  /** Aborted when the sender is gone. */
  readonly gone: AbortSignal;
}

export interface Removal {
  readonly removed: readonly RemovedFile[];
  readonly kept: readonly ExtraKept[];
}

/** Something that was asked to be removed, as it was found. */
interface Found {
  readonly name: string;
  /** Relative to the inbox. */
  readonly path: string;
  /** The components of the folder that it is in. */
  readonly parent: readonly string[];
  readonly own: string;
  readonly folder: Folder;
  readonly stats: BigIntStats;
  readonly delivered: Delivered;
}

/**
 * What a sender delivered before, and did not announce in this transfer: listed, and removed on its word. Nothing else can be
 * removed: neither what another one delivered or changed, nor anything outside the sender's folder, nor through a link.
 */
export class Extras implements Disposable {
  readonly #options: ExtrasOptions;
  readonly #folders: FolderPath | undefined;
  /** Of a dry run: what would be removed, by path. Folders that hold nothing else would be, too. */
  readonly #wouldGo = new Set<string>();
  /** The folder that was looked for last, and whether it is an announced one, or in one. */
  #scope = { folder: '', isAnnounced: false };

  constructor(options: ExtrasOptions) {
    this.#options = options;
    this.#folders = options.root === undefined ? undefined : new FolderPath(options.root);
  }

  /** One page, of a folder of this transfer. @throws FilerError `name-refused`, `unexpected-message`, `connection-closed` */
  async list({ top, before }: ExtrasAsked): Promise<{ extras: Extra[]; more: boolean }> {
    const components = parseSafePath(top);
    const folder = this.#pathOf(components.join('/'));
    let last = before === undefined ? undefined : this.#pathOf(parseSafePath(before).join('/'));
    if (last?.startsWith(`${folder}/`) === false) throw outOfPlace('a page of another folder');
    // One that was announced and is not there has nothing to remove either.
    if (!this.#isInScope(components)) return { extras: [], more: false };
    const extras: Extra[] = [];
    let chars = 0;
    let since = performance.now();
    for (;;) {
      const rows = this.#options.deliveries.below(folder, last, PAGE);
      for (const row of rows) {
        last = row.path;
        const extra = this.#extraOf(row);
        if (extra !== undefined) extras.push(extra);
        chars += extra === undefined ? 0 : extra.name.length + extra.path.length;
        if (extras.length >= MAX_ENTRIES_PER_BATCH || chars >= MAX_BATCH_NAME_CHARS)
          return { extras, more: true };
      }
      if (rows.length < PAGE) return { extras, more: false };
      since = await this.#breathe(since);
    }
  }

  /**
   * Removes what is still as it was delivered, and says why the rest stays; of what is not there nothing is said.
   *
   * @param names as `list` gave them, in that order @param dryRun whether nothing is removed
   * @throws FilerError `connection-closed`, `no-space`, `home-not-writable`
   */
  async remove(names: readonly string[], dryRun: boolean): Promise<Removal> {
    const removed: RemovedFile[] = [];
    const kept: ExtraKept[] = [];
    /** Folders that have lost a name since the last note. */
    const touched = new Map<string, readonly string[]>();
    /** What is about to be removed, as it was noted before. */
    const about = new Map<string, Delivered>();
    let noted = 0;
    const note = async (): Promise<void> => {
      const group = dryRun ? [] : removed.slice(noted);
      noted = removed.length;
      await this.#settle(touched, group);
    };
    let since = performance.now();
    try {
      for (const [n, name] of names.entries()) {
        since = await this.#breathe(since);
        if (n % NOTED_AT_ONCE === 0 && !dryRun) {
          await note();
          await this.#noteKept(about);
          await this.#noteRemoving(names.slice(n, n + NOTED_AT_ONCE), about);
        }
        try {
          const found = this.#find(name);
          if (found === undefined) continue;
          if (!('folder' in found)) {
            // What was there when it was noted was removed by somebody else.
            if (!about.has(found.path)) removed.push(found);
            continue;
          }
          const why = dryRun ? await this.#whyKept(found) : await this.#remove(found);
          if (why !== undefined) {
            kept.push({ name, ...why });
          } else {
            removed.push(fileOf(found));
            about.delete(found.path);
            if (dryRun) this.#noteWouldGo(found.path);
            else touched.set(found.parent.join('/'), found.parent);
          }
        } catch (error) {
          if (!(error instanceof FilerError)) throw error;
          kept.push({ name, code: error.code, message: error.message });
        }
      }
    } finally {
      try {
        await note(); // a job that continues is told about it, whatever ended this
      } finally {
        await this.#noteKept(about);
      }
    }
    return { removed: dryRun ? [] : removed, kept };
  }

  /** Notes what is about to be removed: should this program be killed, the job that continues tells of what is gone. */
  async #noteRemoving(names: readonly string[], about: Map<string, Delivered>): Promise<void> {
    const { deliveries, job } = this.#options;
    if (job === undefined) return;
    const noted: Promise<void>[] = [];
    for (const name of names) {
      try {
        const found = this.#find(name);
        if (found === undefined || !('folder' in found)) continue;
        const removing = found.stats.isFile() ? Number(found.stats.size) : 0;
        about.set(found.path, found.delivered);
        noted.push(deliveries.note(found.path, { ...found.delivered, job, removing }));
      } catch (error) {
        if (!(error instanceof FilerError)) throw error; // told when it is its turn
      }
    }
    await Promise.all(noted);
  }

  /** What was not removed is what it was: once it is gone, it is not this job that removed it. */
  async #noteKept(about: Map<string, Delivered>): Promise<void> {
    const { deliveries } = this.#options;
    const kept = [...about];
    about.clear();
    await Promise.all(
      kept.map(([path, delivered]) => deliveries.note(path, { ...delivered, removing: undefined })),
    );
  }

  [Symbol.dispose](): void {
    this.#folders?.[Symbol.dispose]();
  }

  #extraOf(delivered: DeliveredAt): Extra | undefined {
    const { path, content, job } = delivered;
    const name = this.#options.path === '' ? path : path.slice(this.#options.path.length + 1);
    const before = removedOf(content);
    if (before !== undefined) {
      if (job !== this.#options.job) return undefined;
      return { name, path, kind: before.kind, size: before.size };
    }
    const stats = this.#statsOf(name.split('/'), path);
    const gone =
      job === this.#options.job && this.#isMissing(name.split('/')) ? removingOf(delivered) : undefined;
    if (gone !== undefined) return { name, path, kind: gone.kind, size: gone.size };
    if (stats === undefined) return undefined;
    return { name, path, kind: kindOf(content), size: stats.isFile() ? Number(stats.size) : 0 };
  }

  /** Whether nothing is there, as far as that can be looked up. */
  #isMissing(components: readonly string[]): boolean {
    try {
      const folder = this.#folders?.at(components.slice(0, -1));
      return folder === undefined || statsAt(folder, components.at(-1) ?? '') === undefined;
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return false;
    }
  }

  /** Of what is there and stands for nothing of this transfer. */
  #statsOf(components: readonly string[], path: string): BigIntStats | undefined {
    if (this.#options.stands(path) === 'yes') return undefined;
    try {
      const folder = this.#folders?.at(components.slice(0, -1));
      const own = components.at(-1) ?? '';
      if (folder === undefined || this.#stands(path, folder, own)) return undefined;
      return statsAt(folder, own);
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return undefined; // not to be looked into: nothing there can be removed
    }
  }

  /**
   * @returns undefined where nothing is; what was removed by this job before it was cut
   * @throws FilerError `name-refused`, `refused`
   */
  #find(name: string): Found | RemovedFile | undefined {
    const components = parseSafePath(name);
    const path = this.#pathOf(components.join('/'));
    if (!this.#isInScope(components.slice(0, -1)))
      throw new FilerError('refused', `${JSON.stringify(name)} is in no folder of this transfer`);
    const delivered = this.#options.deliveries.find(path);
    const folder = this.#folders?.at(components.slice(0, -1));
    const own = components.at(-1) ?? '';
    if (delivered === undefined || this.#stands(path, folder, own))
      throw new FilerError('refused', `${JSON.stringify(name)} was not delivered by this sender before`);
    const stats = folder === undefined ? undefined : statsAt(folder, own);
    const before = removedOf(delivered.content);
    if (before !== undefined) {
      if (stats !== undefined || delivered.job !== this.#options.job) return undefined;
      return { name, path, ...before };
    }
    if (folder === undefined || stats === undefined) {
      const gone = delivered.job === this.#options.job ? removingOf(delivered) : undefined;
      return gone === undefined ? undefined : { name, path, ...gone };
    }
    return { name, path, parent: components.slice(0, -1), own, folder, stats, delivered };
  }

  /** Whether what is at a path stands for an entry of this transfer, by a name that its file system takes for the same one too. */
  #stands(path: string, folder: Folder | undefined, own: string): boolean {
    const stands = this.#options.stands(path);
    return (
      stands === 'yes' || (stands === 'by another case' && folder !== undefined && isCaseBlind(folder, own))
    );
  }

  /** Whether a folder, or one that it is in, was announced in this transfer: nothing is removed anywhere else. */
  #isInScope(components: readonly string[]): boolean {
    const folder = components.join('/');
    if (this.#scope.folder !== folder) {
      const isAnnounced = components.some((_, n) =>
        this.#options.isAnnounced(this.#pathOf(components.slice(0, n + 1).join('/'))),
      );
      this.#scope = { folder, isAnnounced };
    }
    return this.#scope.isAnnounced;
  }

  #noteWouldGo(path: string): void {
    this.#wouldGo.add(path);
    const [oldest = ''] = this.#wouldGo;
    if (this.#wouldGo.size > MAX_WOULD_GO) this.#wouldGo.delete(oldest);
  }

  /** Why something would stay; undefined when it would go. */
  async #whyKept(found: Found): Promise<Omit<ExtraKept, 'name'> | undefined> {
    const { folder, own, stats, delivered, path } = found;
    if (this.#isProtected(found)) return changed(found);
    if (!isFolder(delivered.content)) {
      const identity = await identityOfUnchanged(folder, own, stats, delivered, this.#options.files);
      return identity === undefined ? changed(found) : undefined;
    }
    if (!stats.isDirectory()) return changed(found);
    using inner = folder.enter(own);
    if (inner === undefined) return changed(found);
    const isEmpty = readdirSync(inner.at('.')).every((name) => this.#wouldGo.has(`${path}/${name}`));
    return isEmpty ? undefined : notEmpty(found);
  }

  /** @returns why it stays */
  async #remove(found: Found): Promise<Omit<ExtraKept, 'name'> | undefined> {
    const { folder, own, stats, delivered } = found;
    if (this.#isProtected(found)) return changed(found);
    if (isFolder(delivered.content))
      return stats.isDirectory() ? this.#inFolder(found, () => removeFolder(found)) : changed(found);
    const identity = await identityOfUnchanged(folder, own, stats, delivered, this.#options.files);
    if (identity === undefined) return changed(found);
    const { root, mark } = this.#options;
    const aside = this.#inFolder(found, () =>
      Aside.take(folder, own, { identity }, asideIn(root ?? folder, mark)),
    );
    if (aside === undefined) return changed(found);
    await aside.remove();
    return undefined;
  }

  /** Whether a person took the right to write to a folder, or to the one that something is in, since it was sent. */
  #isProtected({ folder, path, stats, delivered }: Found): boolean {
    if (stats.isDirectory() && isClosed(Number(stats.mode)) && delivered.content !== CLOSED_FOLDER)
      return true;
    if (!isClosed(folder.facts().mode)) return false;
    const parent = path.slice(0, path.lastIndexOf('/'));
    // One that was announced in this transfer has got the mode that it was sent with.
    return (
      !this.#options.isAnnounced(parent) && this.#options.deliveries.find(parent)?.content !== CLOSED_FOLDER
    );
  }

  /** Does something in the folder that something is in, which keeps its permissions and its time. */
  #inFolder<T>({ folder }: Found, work: () => T): T {
    const facts = folder.facts();
    folder.makeFillable();
    try {
      return work();
    } finally {
      folder.finish(facts.mode, utimesTime(facts.mtimeNs));
    }
  }

  /** Brings removals to the disk, and remembers them. @throws FilerError `no-space`, `home-not-writable` */
  async #settle(touched: Map<string, readonly string[]>, removed: readonly RemovedFile[]): Promise<void> {
    const parents = [...touched.values()];
    touched.clear();
    try {
      if (this.#options.sync) for (const parent of parents) await this.#folders?.at(parent)?.sync();
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

  /** Relative to the inbox. */
  #pathOf(name: string): string {
    return this.#options.path === '' ? name : `${this.#options.path}/${name}`;
  }

  /** Lets others work after a while. @throws FilerError `connection-closed` */
  async #breathe(since: number): Promise<number> {
    if (this.#options.gone.aborted)
      throw new FilerError('connection-closed', 'the sender left while its files were looked at');
    if (performance.now() - since <= TURN_MS) return since;
    await turn();
    return performance.now();
  }
}

/** Whether a file system takes names of another case for the same, or may. */
function isCaseBlind(folder: Folder, name: string): boolean {
  const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  return other === name || statsAt(folder, other)?.ino === statsAt(folder, name)?.ino;
}

function kindOf(content: string): Extra['kind'] {
  if (isFolder(content)) return 'dir';
  return content.startsWith(LINK) ? 'link' : 'file';
}

function fileOf({ name, path, stats, delivered: { content } }: Found): RemovedFile {
  const kind = kindOf(content);
  if (kind !== 'file') return { name, path, kind, size: 0 };
  return { name, path, kind, size: Number(stats.size), digest: content };
}

/** @returns why it stays */
function removeFolder(found: Found): Omit<ExtraKept, 'name'> | undefined {
  const { folder, own } = found;
  try {
    rmdirSync(folder.at(own));
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return undefined;
    return code === 'ENOTEMPTY' || code === 'EEXIST' ? notEmpty(found) : changed(found);
  }
}

function changed({ name }: Found): Omit<ExtraKept, 'name'> {
  const message = `${JSON.stringify(name)} has changed there since it was delivered: it is kept`;
  return { code: 'refused', message };
}

function notEmpty({ name }: Found): Omit<ExtraKept, 'name'> {
  const message = `the folder ${JSON.stringify(name)} holds there what was not delivered or has changed: it is kept`;
  return { code: 'refused', message };
}

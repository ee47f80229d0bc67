import type { BigIntStats } from 'node:fs';
import { FilerError, systemCode, type Extra, type RemovedFile } from '@filer/protocol';
import { FolderPath } from '../disk/folder-path.ts';
import type { Folder } from '../disk/folder.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import {
  isFolder,
  LINK,
  removedOf,
  removingOf,
  type Delivered,
  type DeliveredAt,
  type Deliveries,
} from './deliveries.ts';
import { statsAt } from './existing-digests.ts';
import type { Standing } from './ownership.ts';

export interface FoundExtrasOptions {
  /** The sender's folder; undefined where there is none yet. */
  readonly root: Folder | undefined;
  /** Its path, relative to the inbox; empty for the inbox itself. */
  readonly path: string;
  readonly deliveries: Deliveries;
  /** The job that is being received; undefined where nothing is. */
  readonly job: string | undefined;
  /** @see Ownership.stands @param path relative to the inbox */
  readonly stands: (path: string) => Standing;
  /** Whether a folder was announced in this transfer, and is there. @param path relative to the inbox */
  readonly isAnnounced: (path: string) => boolean;
}

/** Something that was asked to be removed, as it was found. */
export interface Found {
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

/** What a sender delivered before, as it is in its folder now. Nothing outside of that folder is found, nor through a link. */
export class FoundExtras implements Disposable {
  readonly #options: FoundExtrasOptions;
  readonly #folders: FolderPath | undefined;
  /** The folder that was looked for last, and whether it is an announced one, or in one. */
  #scope = { folder: '', isAnnounced: false };

  constructor(options: FoundExtrasOptions) {
    this.#options = options;
    this.#folders = options.root === undefined ? undefined : new FolderPath(options.root);
  }

  [Symbol.dispose](): void {
    this.#folders?.[Symbol.dispose]();
  }

  /** The folder that something is in, as it is now. @param components of that folder; undefined where there is none */
  folderAt(components: readonly string[]): Folder | undefined {
    return this.#folders?.at(components);
  }

  /** Relative to the inbox. */
  pathOf(name: string): string {
    return this.#options.path === '' ? name : `${this.#options.path}/${name}`;
  }

  /** What a row stands for; undefined where nothing is that can be removed. */
  extraOf(delivered: DeliveredAt): Extra | undefined {
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

  /**
   * @returns undefined where nothing is; what was removed by this job before it was cut
   * @throws FilerError `name-refused`, `refused`
   */
  find(name: string): Found | RemovedFile | undefined {
    const components = parseSafePath(name);
    const path = this.pathOf(components.join('/'));
    if (!this.isInScope(components.slice(0, -1)))
      throw new FilerError('refused', `${JSON.stringify(name)} is in no folder of this transfer`);
    const delivered = this.#options.deliveries.find(path);
    const folder = this.folderAt(components.slice(0, -1));
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

  /** Whether a folder, or one that it is in, was announced in this transfer: nothing is removed anywhere else. */
  isInScope(components: readonly string[]): boolean {
    const folder = components.join('/');
    if (this.#scope.folder !== folder) {
      const isAnnounced = components.some((_, n) =>
        this.#options.isAnnounced(this.pathOf(components.slice(0, n + 1).join('/'))),
      );
      this.#scope = { folder, isAnnounced };
    }
    return this.#scope.isAnnounced;
  }

  /** Of what is there and stands for nothing of this transfer. */
  #statsOf(components: readonly string[], path: string): BigIntStats | undefined {
    if (this.#options.stands(path) === 'yes') return undefined;
    try {
      const folder = this.folderAt(components.slice(0, -1));
      const own = components.at(-1) ?? '';
      if (folder === undefined || this.#stands(path, folder, own)) return undefined;
      return statsAt(folder, own);
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return undefined; // not to be looked into: nothing there can be removed
    }
  }

  /** Whether nothing is there, as far as that can be looked up. */
  #isMissing(components: readonly string[]): boolean {
    try {
      const folder = this.folderAt(components.slice(0, -1));
      return folder === undefined || statsAt(folder, components.at(-1) ?? '') === undefined;
    } catch (error) {
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
      return false;
    }
  }

  /** Whether what is at a path stands for an entry of this transfer, by a name that its file system takes for the same one too. */
  #stands(path: string, folder: Folder | undefined, own: string): boolean {
    const stands = this.#options.stands(path);
    return (
      stands === 'yes' || (stands === 'by another case' && folder !== undefined && isCaseBlind(folder, own))
    );
  }
}

/** What kind of thing was delivered. */
export function kindOf(content: string): Extra['kind'] {
  if (isFolder(content)) return 'dir';
  return content.startsWith(LINK) ? 'link' : 'file';
}

/** Whether a file system takes names of another case for the same, or may. */
function isCaseBlind(folder: Folder, name: string): boolean {
  const other = name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
  return other === name || statsAt(folder, other)?.ino === statsAt(folder, name)?.ino;
}

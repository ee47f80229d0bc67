import { dirname } from 'node:path';
import { FolderPath } from '../disk/folder-path.ts';
import { Folder } from '../disk/folder.ts';
import { statsAt } from '../receive/existing-digests.ts';
import { Exchanger, inodeAt } from './exchange.ts';
import { hasSwapped, swap, type Pair, type Switch } from './swap.ts';

/** The folder of a job's names, and its stage, while something is done to both. Folders of another one in their way are not followed. */
export class StagePlaces implements Disposable {
  readonly base: Folder;
  readonly hidden: Folder;
  readonly #exchanger = new Exchanger();

  private constructor(base: Folder, hidden: Folder) {
    this.base = base;
    this.hidden = hidden;
  }

  /**
   * @param inbox absolute @param folder relative to it
   * @param hidden the name of the stage in it
   * @returns undefined where the stage is not there: nothing is made
   */
  static open(inbox: string, folder: string, hidden: string): StagePlaces | undefined {
    using root = Folder.openOwn(inbox);
    using path = new FolderPath(root);
    const base = path.at(componentsOf(folder));
    const stage = base?.enter(hidden);
    if (base === undefined || stage === undefined) return undefined;
    try {
      return new StagePlaces(base.again(), stage);
    } catch (error) {
      stage[Symbol.dispose]();
      throw error;
    }
  }

  /** Of a top: what it has now, and what is to come. */
  switchOf(top: string): Switch {
    const { at, from } = this.#found(top);
    return { top, wanted: from ?? null, before: at ?? null };
  }

  /** @throws FilerError `refused` where that is not clear */
  hasSwapped(each: Switch): boolean {
    return hasSwapped(each, this.#found(each.top));
  }

  /** May be called again after a kill, whatever it came to. @throws FilerError, as `swap` */
  async swap(each: Switch): Promise<void> {
    if (this.hasSwapped(each)) return;
    using pair = this.#pair(each.top);
    await swap(pair, this.#exchanger);
  }

  /** The names are on the disk. */
  async sync(tops: readonly string[]): Promise<void> {
    using base = new FolderPath(this.base);
    using hidden = new FolderPath(this.hidden);
    for (const path of new Set(tops.map((top) => dirname(top)))) {
      const parents = path === '.' ? [] : path.split('/');
      for (const root of [base, hidden]) await root.at(parents)?.sync();
    }
  }

  /**
   * Of paths below the stage, those that are not there any more.
   *
   * @throws FilerError of a folder that cannot be looked into
   */
  *missing(paths: Iterable<string>): Generator<string> {
    using folders = new FolderPath(this.hidden);
    for (const path of paths) {
      const folder = folders.at(parentsOf(path));
      if (folder === undefined || statsAt(folder, nameOf(path)) === undefined) yield path;
    }
  }

  #found(top: string): { readonly at: string | undefined; readonly from: string | undefined } {
    const [at, from] = [this.base, this.hidden].map((root) => {
      using path = new FolderPath(root);
      const folder = path.at(parentsOf(top));
      return folder === undefined ? undefined : inodeAt(folder.at(nameOf(top)));
    });
    return { at, from };
  }

  #pair(top: string): Pair & Disposable {
    const parents = parentsOf(top);
    const folder = descend(this.base, parents);
    try {
      const hidden = descend(this.hidden, parents);
      return {
        folder,
        hidden,
        name: nameOf(top),
        [Symbol.dispose]: () => {
          hidden[Symbol.dispose]();
          folder[Symbol.dispose]();
        },
      };
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#exchanger[Symbol.dispose]();
    this.hidden[Symbol.dispose]();
    this.base[Symbol.dispose]();
  }
}

/** A folder below another one, made if missing. @throws FilerError `refused` for a link or a file in the way */
export function descend(root: Folder, components: readonly string[]): Folder {
  let folder = root.again();
  for (const component of components) {
    using above = folder;
    folder = above.open(component);
  }
  return folder;
}

/** @param path '' for none */
export function componentsOf(path: string): string[] {
  return path === '' ? [] : path.split('/');
}

function parentsOf(top: string): string[] {
  return top.split('/').slice(0, -1);
}

function nameOf(top: string): string {
  return top.slice(top.lastIndexOf('/') + 1);
}

import { Folder } from './folder.ts';
import { parseSafePath } from './safe-path.ts';

/** The folder of one sender inside an inbox: parts lie in it, files take their final names in or below it. */
export class Place implements Disposable {
  readonly folder: Folder;
  /** Relative to the inbox. */
  readonly path: string;

  private constructor(folder: Folder, path: string) {
    this.folder = folder;
    this.path = path;
  }

  /**
   * @param path relative to the inbox
   * @param sync whether the folders' own names are brought to the disk
   * @throws FilerError `name-refused` for the path, `refused` when a link stands where a folder must be, `home-not-writable`, `no-space`
   */
  static async open(inbox: string, path: string, sync: boolean): Promise<Place> {
    const components = parseSafePath(path);
    return new Place(await descend(Folder.openOwn(inbox), components, sync), path);
  }

  /**
   * Does something in the folder in which a file of these components gets its name.
   *
   * @throws FilerError as `open`
   */
  async inFolderOf<T>(
    components: readonly string[],
    sync: boolean,
    action: (folder: Folder) => Promise<T>,
  ): Promise<T> {
    // Files that lie next to each other share one handle, and with it the syncs of their folder.
    if (components.length === 1) return await action(this.folder);
    using folder = await descend(this.folder.again(), components.slice(0, -1), sync);
    return await action(folder);
  }

  /** The path, relative to the inbox, of a file. */
  pathOf(components: readonly string[], name: string): string {
    return [this.path, ...components.slice(0, -1), name].join('/');
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

async function descend(from: Folder, components: readonly string[], sync: boolean): Promise<Folder> {
  let folder = from;
  for (const component of components) {
    using above = folder;
    folder = above.open(component);
    try {
      if (sync) await above.sync();
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }
  return folder;
}

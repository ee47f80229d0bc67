import { Folder } from './folder.ts';
import { OpenFolders, type HeldFolder } from './open-folders.ts';
import { parseSafePath } from './safe-path.ts';

/** Folders that are kept open, beside those in use. */
const MAX_KEPT_OPEN = 64;

interface Held extends HeldFolder {
  readonly folder: Folder;
  /** Resolves when its name, and those of the folders above it, outlast a power cut. */
  readonly durable: Promise<void>;
}

/** The folder of one sender inside an inbox: files take their final names in or below it. */
export class DestinationFolder implements Disposable {
  readonly folder: Folder;
  /** The inbox itself. */
  readonly inbox: Folder;
  /** Relative to the inbox. */
  readonly path: string;
  readonly #sync: boolean;
  /** Below `folder`. */
  readonly #held: OpenFolders<Held>;

  private constructor(inbox: Folder, folder: Folder, path: string, sync: boolean, durable: Promise<void>) {
    this.inbox = inbox;
    this.folder = folder;
    this.path = path;
    this.#sync = sync;
    durable.catch(() => undefined); // whatever needs the folder learns it
    const root = { folder, durable, users: 1 };
    this.#held = new OpenFolders<Held>(root, {
      most: MAX_KEPT_OPEN,
      open: (above, own) => this.#open(above, own),
      close: (held) => held.folder[Symbol.dispose](),
    });
  }

  /**
   * @param path relative to the inbox; empty for the inbox itself
   * @param sync whether the folders' own names are brought to the disk
   * @param hidden the name of a folder of the engine's own inside it
   * @throws FilerError `name-refused` for the path, `refused` when a link stands where a folder must be, `home-not-writable`, `no-space`
   */
  static async open(inbox: string, path: string, sync: boolean, hidden?: string): Promise<DestinationFolder> {
    const components = path === '' ? [] : parseSafePath(path);
    if (hidden !== undefined) components.push(hidden);
    const root = Folder.openOwn(inbox);
    try {
      const { folder, durable } = descend(root.again(), components, sync);
      return new DestinationFolder(root, folder, components.join('/'), sync, durable);
    } catch (error) {
      root[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Does something in a folder, made if missing: whose name is on the disk, if `sync` was asked for.
   *
   * @param components below this place
   * @throws FilerError as `open`
   */
  async inFolder<T>(components: readonly string[], action: (folder: Folder) => T | Promise<T>): Promise<T> {
    const held = this.#held.hold(components);
    held.users++;
    try {
      await held.durable;
      return await action(held.folder);
    } finally {
      held.users--;
    }
  }

  /** A folder, made if missing, for use in this turn, and when its name is on the disk. @throws FilerError as `open` */
  begin(components: readonly string[]): Pick<Held, 'folder' | 'durable'> {
    return this.#held.hold(components);
  }

  /** Whether a folder, or one below it, is open. */
  isInUse(components: readonly string[]): boolean {
    const key = components.join('/');
    return this.#held.paths.some((held) => held === key || held.startsWith(`${key}/`));
  }

  /** Whether more folders are open than are kept, because their names are still on their way to the disk. */
  get isCrowded(): boolean {
    return this.#held.size > MAX_KEPT_OPEN;
  }

  /** Resolves when no folder is held open by that any more. Never rejects: the caller that needs the folder is told. */
  async thinOut(): Promise<void> {
    await Promise.allSettled(this.#held.all.map(({ durable }) => durable));
    this.#held.closeUnused();
  }

  /** A folder, made if missing, for use in this turn only. @throws FilerError as `open` */
  require(components: readonly string[]): Folder {
    return this.#held.hold(components).folder;
  }

  #open(above: Held, own: string): Held {
    const folder = above.folder.open(own);
    folder.makeFillable();
    const durable = this.#sync && folder.made ? syncIn(above) : above.durable;
    durable.catch(() => undefined); // told to the caller that waits for it
    return { folder, durable, users: 0 };
  }

  /** The path, relative to the inbox, of what has this name in the folder of these components. */
  pathOf(components: readonly string[], name: string): string {
    return [...(this.path === '' ? [] : [this.path]), ...components, name].join('/');
  }

  [Symbol.dispose](): void {
    for (const { folder } of this.#held.all) folder[Symbol.dispose]();
    this.folder[Symbol.dispose]();
    this.inbox[Symbol.dispose]();
  }
}

/** @returns the innermost folder, and when the names of all are on the disk: that is waited for when a file takes its place */
function descend(
  from: Folder,
  components: readonly string[],
  sync: boolean,
): { readonly folder: Folder; readonly durable: Promise<void> } {
  const above: Folder[] = [];
  let folder = from;
  try {
    for (const component of components) {
      above.push(folder);
      folder = folder.open(component);
    }
  } catch (error) {
    for (const each of above) each[Symbol.dispose]();
    throw error;
  }
  return { folder, durable: syncAll(above, sync) };
}

/** Brings the names in folders to the disk, and closes them. */
async function syncAll(folders: readonly Folder[], sync: boolean): Promise<void> {
  try {
    if (sync) await Promise.all(folders.map((each) => each.sync()));
  } finally {
    for (const each of folders) each[Symbol.dispose]();
  }
}

async function syncIn(above: Held): Promise<void> {
  above.users++;
  try {
    await above.durable;
    await above.folder.sync();
  } finally {
    above.users--;
  }
}

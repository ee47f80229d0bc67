import { Folder } from './folder.ts';
import { parseSafePath } from './safe-path.ts';

/** Folders that are kept open, so that the files of one do not open it each for itself. */
const MAX_KEPT_OPEN = 64;

/** A folder that is kept open. */
interface Held {
  readonly folder: Folder;
  /** Resolves when its name, and those of the folders above it, outlast a power cut. */
  readonly durable: Promise<void>;
  users: number;
}

/** The folder of one sender inside an inbox: files take their final names in or below it. */
export class DestinationFolder implements Disposable {
  readonly folder: Folder;
  /** The inbox itself. */
  readonly inbox: Folder;
  /** Relative to the inbox. */
  readonly path: string;
  readonly #sync: boolean;
  readonly #root: Held;
  /** By path below `folder`, the longest unused first. */
  readonly #held = new Map<string, Held>();
  /** The one that was used last. */
  #newest: Held | undefined;

  private constructor(inbox: Folder, folder: Folder, path: string, sync: boolean) {
    this.inbox = inbox;
    this.folder = folder;
    this.path = path;
    this.#sync = sync;
    this.#root = { folder, durable: Promise.resolve(), users: 1 };
  }

  /**
   * @param path relative to the inbox; empty for the inbox itself
   * @param sync whether the folders' own names are brought to the disk
   * @throws FilerError `name-refused` for the path, `refused` when a link stands where a folder must be, `home-not-writable`, `no-space`
   */
  static async open(inbox: string, path: string, sync: boolean): Promise<DestinationFolder> {
    const components = path === '' ? [] : parseSafePath(path);
    const root = Folder.openOwn(inbox);
    try {
      return new DestinationFolder(root, await descend(root.again(), components, sync), path, sync);
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
    const held = this.#hold(components);
    held.users++;
    try {
      await held.durable;
      return await action(held.folder);
    } finally {
      held.users--;
    }
  }

  /** Whether a folder, or one below it, is open. */
  isInUse(components: readonly string[]): boolean {
    const key = components.join('/');
    return [...this.#held.keys()].some((held) => held === key || held.startsWith(`${key}/`));
  }

  /** Whether more folders are open than are kept, because their names are still on their way to the disk. */
  get isCrowded(): boolean {
    return this.#held.size > MAX_KEPT_OPEN;
  }

  /** Resolves when no folder is held open by that any more. Never rejects: whoever needs the folder is told. */
  async thinOut(): Promise<void> {
    await Promise.allSettled([...this.#held.values()].map(({ durable }) => durable));
    this.#closeUnused();
  }

  /** A folder, made if missing, for use in this turn only. @throws FilerError as `open` */
  require(components: readonly string[]): Folder {
    return this.#hold(components).folder;
  }

  #hold(components: readonly string[]): Held {
    const own = components.at(-1);
    if (own === undefined) return this.#root;
    const key = components.join('/');
    const known = this.#held.get(key);
    if (known !== undefined) {
      if (known !== this.#newest) {
        this.#held.delete(key);
        this.#held.set(key, known);
        this.#newest = known;
      }
      return known;
    }
    const above = this.#hold(components.slice(0, -1));
    const folder = above.folder.open(own);
    folder.makeFillable();
    const durable = this.#sync && folder.made ? syncIn(above) : above.durable;
    durable.catch(() => undefined); // told to whoever waits for it
    const held = { folder, durable, users: 0 };
    this.#held.set(key, held);
    this.#newest = held;
    this.#closeUnused();
    return held;
  }

  #closeUnused(): void {
    let newest = this.#held.size;
    for (const [key, held] of this.#held) {
      // Never the newest: its caller has not begun to use it.
      if (this.#held.size <= MAX_KEPT_OPEN || --newest === 0) return;
      if (held.users > 0) continue;
      this.#held.delete(key);
      held.folder[Symbol.dispose]();
    }
  }

  /** The path, relative to the inbox, of what has this name in the folder of these components. */
  pathOf(components: readonly string[], name: string): string {
    return [...(this.path === '' ? [] : [this.path]), ...components, name].join('/');
  }

  [Symbol.dispose](): void {
    for (const { folder } of this.#held.values()) folder[Symbol.dispose]();
    this.#held.clear();
    this.folder[Symbol.dispose]();
    this.inbox[Symbol.dispose]();
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

async function syncIn(above: Held): Promise<void> {
  above.users++;
  try {
    await above.durable;
    await above.folder.sync();
  } finally {
    above.users--;
  }
}

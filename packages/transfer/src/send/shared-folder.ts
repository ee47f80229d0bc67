import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { BY_DESCRIPTOR, descriptorPath } from '../disk/folder.ts';
import { OpenFolders, type HeldFolder } from '../disk/open-folders.ts';
import { requireNotOwn } from '../disk/own-files.ts';

/** Folders that are kept open, beside those in use. */
const MAX_KEPT_OPEN = 16;

/** An open folder of it. */
interface Held extends HeldFolder {
  readonly path: string;
  readonly descriptor: number;
}

/**
 * A folder that others may look into, held open. What is below is reached from that handle, one component after the
 * other, and no link is followed: whatever is swapped on the way, nothing outside is ever reached. Where the
 * platform has no paths relative to a handle, components are checked one after the other, by path.
 *
 * Items are named `NAME/path/below`, so that no one learns where the folder is.
 */
export class SharedFolder implements Disposable {
  readonly name: string;
  readonly #root: Held;
  readonly #held: OpenFolders<Held>;
  #closed = false;

  private constructor(name: string, root: Held) {
    this.name = name;
    this.#root = root;
    this.#held = new OpenFolders<Held>(root, {
      most: MAX_KEPT_OPEN,
      open: (above, own, key) => this.#open(above, own, key),
      close: ({ descriptor }) => closeSync(descriptor),
    });
  }

  /**
   * @param name what it is called to others
   * @param path absolute and without links: a folder that has been moved, or replaced by a link, is not opened
   * @throws FilerError `path-missing`, `refused`
   */
  static open(name: string, path: string): SharedFolder {
    let descriptor: number | undefined;
    try {
      descriptor = openFolder(path, name);
      const there = BY_DESCRIPTOR ? readlinkSync(descriptorPath(descriptor)) : realpathSync(path);
      if (there === path) return new SharedFolder(name, { path, descriptor, users: 1 });
    } catch (error) {
      if (error instanceof FilerError) throw error;
      if (systemCode(error) === undefined) throw error;
    }
    if (descriptor !== undefined) closeSync(descriptor);
    throw new FilerError(
      'path-missing',
      `the folder of the share ${JSON.stringify(name)} is not there now: ask its owner`,
    );
  }

  /**
   * Does something with the path of an item, whose own name may be a link's; what holds it stays open until that is
   * done, or the promise it gives is settled.
   *
   * @param file `NAME/path/below`
   * @throws FilerError `refused`; a system error, `ENOTDIR` or `ELOOP` where a link stands on the way
   */
  at<T>(file: string, action: (path: string) => T): T {
    const components = file.split('/').slice(1);
    const own = components.at(-1) ?? '.';
    return this.#with(components.slice(0, -1), (held) => action(pathIn(held, own)));
  }

  /** The same with the path of a folder, which is no link. */
  inside<T>(file: string, action: (path: string) => T): T {
    return this.#with(file.split('/').slice(1), (held) => action(pathIn(held, '.')));
  }

  #with<T>(components: readonly string[], action: (held: Held) => T): T {
    const held = this.#held.hold(components);
    held.users++;
    const leave = (): void => this.#leave(held);
    try {
      const result = action(held);
      if (result instanceof Promise) void result.then(leave, leave);
      else leave();
      return result;
    } catch (error) {
      leave();
      throw error;
    }
  }

  #open(above: Held, own: string, key: string): Held {
    const descriptor = openFolder(pathIn(above, own), `${this.name}/${key}`);
    return { path: join(above.path, own), descriptor, users: 0 };
  }

  #leave(held: Held): void {
    held.users--;
    if (this.#closed && held.users === 0) closeSync(held.descriptor);
  }

  /** May be called twice; what is in use stays open until it is not. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const held of this.#held.all) if (held.users === 0) closeSync(held.descriptor);
    this.#leave(this.#root);
  }
}

function pathIn({ path, descriptor }: Held, own: string): string {
  return BY_DESCRIPTOR ? `${descriptorPath(descriptor)}/${own}` : join(path, own);
}

/** @param file for messages @throws FilerError `refused`; a system error */
function openFolder(path: string, file: string): number {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    requireNotOwn(file, fstatSync(descriptor, { bigint: true }));
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

import { closeSync, constants, fstatSync, openSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { BY_DESCRIPTOR, descriptorPath } from '../disk/folder.ts';
import { requireNotOwn } from '../disk/own-files.ts';

/** Folders that are kept open, so that the files of one do not open it each for itself. */
const MAX_KEPT_OPEN = 16;

/** An open folder of it. */
interface Held {
  readonly path: string;
  readonly descriptor: number;
  users: number;
}

/**
 * A folder that others may look into, held open. What lies below is reached from that handle, one component after the
 * other, and no link is followed: whatever is swapped on the way, nothing outside is ever reached. Where the
 * platform has no paths relative to a handle, components are checked one after the other, by path.
 *
 * Items are named `NAME/path/below`, so that nobody learns where the folder lies.
 */
export class SharedFolder implements Disposable {
  readonly name: string;
  readonly #root: Held;
  /** By components below the root, the longest unused first. */
  readonly #held = new Map<string, Held>();
  #closed = false;

  private constructor(name: string, root: Held) {
    this.name = name;
    this.#root = root;
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
    const held = this.#hold(components);
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

  #hold(components: readonly string[]): Held {
    const own = components.at(-1);
    if (own === undefined) return this.#root;
    const key = components.join('/');
    const known = this.#held.get(key);
    if (known !== undefined) {
      this.#held.delete(key);
      this.#held.set(key, known);
      return known;
    }
    const above = this.#hold(components.slice(0, -1));
    const descriptor = openFolder(pathIn(above, own), `${this.name}/${key}`);
    const held = { path: join(above.path, own), descriptor, users: 0 };
    this.#held.set(key, held);
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
      closeSync(held.descriptor);
    }
  }

  #leave(held: Held): void {
    held.users--;
    if (this.#closed && held.users === 0) closeSync(held.descriptor);
  }

  /** May be called twice; what is in use stays open until it is not. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const held of this.#held.values()) if (held.users === 0) closeSync(held.descriptor);
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

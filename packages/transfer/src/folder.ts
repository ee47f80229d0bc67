import { closeSync, constants, existsSync, fsync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FilerError, systemCode } from '@filer/protocol';

const syncDescriptor = promisify(fsync);

// Linux resolves a path that begins here relative to the open folder, whatever happened to the folder's own path
// meanwhile: what `openat` does for other languages.
const DESCRIPTORS = '/proc/self/fd';
const BY_DESCRIPTOR = process.platform === 'linux' && existsSync(DESCRIPTORS);

/**
 * An open folder. Names are used relative to it, so that a folder on the way that is swapped for a link changes
 * nothing; where the platform has no such paths, they are used by path.
 */
export class Folder implements Disposable {
  readonly path: string;
  readonly #descriptor: number;
  #closed = false;
  #syncing: Promise<void> | undefined;
  #syncNext: Promise<void> | undefined;

  private constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** Opens a folder of this machine's own choice (links on the way are its owner's wish), made if missing. */
  static openOwn(path: string): Folder {
    try {
      mkdirSync(path, { recursive: true });
      return new Folder(path, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    } catch (error) {
      throw folderError(path, error);
    }
  }

  /**
   * The path that names `component` inside this folder.
   *
   * @param component one checked component of a path
   */
  at(component: string): string {
    return BY_DESCRIPTOR ? `${DESCRIPTORS}/${this.#descriptor}/${component}` : join(this.path, component);
  }

  /**
   * The folder `component` inside this one, made if missing.
   *
   * @throws FilerError `refused` when something else, a link say, has that name; `home-not-writable`, `no-space`
   */
  open(component: string): Folder {
    const path = join(this.path, component);
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    try {
      makeFolder(this.at(component));
      return new Folder(path, openSync(this.at(component), flags));
    } catch (error) {
      throw folderError(path, error);
    }
  }

  /** A second handle on this very folder. @throws FilerError `home-not-writable` */
  again(): Folder {
    try {
      return new Folder(this.path, openSync(this.at('.'), constants.O_RDONLY | constants.O_DIRECTORY));
    } catch (error) {
      throw folderError(this.path, error);
    }
  }

  /**
   * Brings names that were taken or given up before this call to the disk. Calls that overlap share one sync:
   * each waits for one that began after it was called.
   *
   * @throws FilerError `no-space`, `home-not-writable`
   */
  sync(): Promise<void> {
    if (this.#syncing === undefined) {
      this.#syncing = syncDescriptor(this.#descriptor)
        .catch((error: unknown) => {
          throw folderError(this.path, error);
        })
        .finally(() => (this.#syncing = undefined));
      return this.#syncing;
    }
    this.#syncNext ??= this.#syncing
      .catch(() => undefined) // told to whoever began it
      .then(() => {
        this.#syncNext = undefined;
        return this.sync();
      });
    return this.#syncNext;
  }

  /** May be called twice. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      closeSync(this.#descriptor);
    } catch (error) {
      // What had to reach the disk was synced: nothing depends on the end of a handle.
      if (systemCode(error) === undefined) throw error;
    }
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
}

function folderError(path: string, cause: unknown): FilerError {
  switch (systemCode(cause)) {
    case 'ENOTDIR':
    case 'ELOOP':
      return new FilerError('refused', `${path} is a link or a file where a folder must be: move it away`, {
        cause,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new FilerError('no-space', `no space is left to make the folder ${path}: free some`, { cause });
    default:
      return new FilerError(
        'home-not-writable',
        `cannot open the folder ${path} (${systemCode(cause) ?? 'unknown'})`,
        {
          cause,
        },
      );
  }
}

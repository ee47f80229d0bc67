import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  fsync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FilerError, makeFolders, SharedRuns, systemCode } from '@filer/protocol';
import { requireNotOwn } from './own-files.ts';

const syncDescriptor = promisify(fsync);

// Linux resolves a path that begins here relative to the open folder, whatever happened to the folder's own path
// meanwhile: what `openat` does for other languages.
const DESCRIPTORS = '/proc/self/fd';
export const BY_DESCRIPTOR = process.platform === 'linux' && existsSync(DESCRIPTORS);

/** The path of what a descriptor is open on. */
export function descriptorPath(descriptor: number): string {
  return `${DESCRIPTORS}/${descriptor}`;
}

/**
 * An open folder. Names are used relative to it, so that a folder on the way that is swapped for a link changes
 * nothing; where the platform has no such paths, they are used by path.
 */
export class Folder implements Disposable {
  readonly path: string;
  /** Whether opening it made it. */
  readonly made: boolean;
  readonly #descriptor: number;
  #closed = false;
  readonly #syncs = new SharedRuns(() =>
    syncDescriptor(this.#descriptor).catch((error: unknown) => {
      throw folderError(this.path, error);
    }),
  );

  private constructor(path: string, descriptor: number, made = false) {
    this.path = path;
    this.#descriptor = descriptor;
    this.made = made;
  }

  /** Opens a folder of this machine's own choice (links on the way are its owner's wish), made if missing. */
  static openOwn(path: string): Folder {
    try {
      makeFolders(path);
      return new Folder(path, notOwn(path, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)));
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
    return BY_DESCRIPTOR ? `${descriptorPath(this.#descriptor)}/${component}` : join(this.path, component);
  }

  /**
   * The folder `component` inside this one, made if missing.
   *
   * @throws FilerError `refused` when something else, a link say, has that name; `home-not-writable`, `no-space`
   */
  open(component: string): Folder {
    const path = join(this.path, component);
    try {
      const made = makeFolder(this.at(component));
      return new Folder(path, notOwn(path, openToFill(this.at(component))), made);
    } catch (error) {
      throw folderError(path, error);
    }
  }

  /**
   * The folder `component` inside this one, as it is: one that may not be read stays so.
   *
   * @returns undefined where there is none, but nothing, a link or a file
   * @throws FilerError `refused`, `home-not-writable`
   */
  enter(component: string): Folder | undefined {
    const path = join(this.path, component);
    try {
      return new Folder(path, notOwn(path, openFolder(this.at(component))));
    } catch (error) {
      if (NO_FOLDER.has(systemCode(error) ?? '')) return undefined;
      throw folderError(path, error);
    }
  }

  /** Its permissions and time. @throws a system error */
  facts(): { readonly mode: number; readonly mtimeNs: bigint } {
    const { mode, mtimeNs } = fstatSync(this.#descriptor, { bigint: true });
    return { mode: Number(mode), mtimeNs };
  }

  /**
   * Lets this user, its owner, fill it, whatever permissions it was sent with.
   *
   * @throws FilerError `home-not-writable` when another user owns it
   */
  makeFillable(): void {
    try {
      const { mode } = fstatSync(this.#descriptor);
      if ((mode & OWNER) !== OWNER) fchmodSync(this.#descriptor, (mode & PERMISSIONS) | OWNER);
    } catch (error) {
      throw folderError(this.path, error);
    }
  }

  /** Gives it its permissions, and the time, as `utimes` takes it, which everything that is done inside changes. */
  finish(mode: number, mtime: string): void {
    fchmodSync(this.#descriptor, mode & PERMISSIONS);
    futimesSync(this.#descriptor, Date.now() / 1000, mtime);
  }

  /** Whether another disk, or another part of this one, is mounted here or between the two. @throws a system error */
  isMountedApart(from: Folder): boolean {
    return mountOf(this.#descriptor) !== mountOf(from.#descriptor);
  }

  /** Open as long as this object is. */
  get descriptor(): number {
    return this.#descriptor;
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
    return this.#syncs.run();
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

const NO_FOLDER: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/** Never set-user-id, set-group-id or sticky. */
const PERMISSIONS = 0o777;
const OWNER = 0o700;

/** @returns whether it was not there */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    return false;
  }
}

/** A bind mount has the number of the disk that it is of: only Linux tells the two apart. */
function mountOf(descriptor: number): string {
  const { dev } = fstatSync(descriptor, { bigint: true });
  if (!BY_DESCRIPTOR) return String(dev);
  const told = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
  return `${dev} ${/^mnt_id:\s*(\d+)/m.exec(told)?.[1] ?? ''}`;
}

function openFolder(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

function openToFill(path: string): number {
  try {
    return openFolder(path);
  } catch (error) {
    // It was sent without the right to read it, and something goes into it again.
    const there = systemCode(error) === 'EACCES' ? lstatSync(path) : undefined;
    if (there?.isDirectory() !== true) throw error;
    chmodSync(path, (there.mode & PERMISSIONS) | OWNER);
    return openFolder(path);
  }
}

/** @throws FilerError `refused` for a folder that this program keeps for itself */
function notOwn(path: string, descriptor: number): number {
  try {
    requireNotOwn(path, fstatSync(descriptor, { bigint: true }));
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function folderError(path: string, cause: unknown): FilerError {
  if (cause instanceof FilerError) return cause;
  const what = JSON.stringify(path);
  switch (systemCode(cause)) {
    case 'ENOTDIR':
    case 'ELOOP':
      return new FilerError('refused', `${what} is a link or a file where a folder must be: move it away`, {
        cause,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new FilerError('no-space', `no space is left to make the folder ${what}: free some`, { cause });
    default:
      return new FilerError(
        'home-not-writable',
        `cannot open the folder ${what} (${systemCode(cause) ?? 'unknown'})`,
        {
          cause,
        },
      );
  }
}

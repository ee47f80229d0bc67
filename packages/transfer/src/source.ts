import { constants, lstatSync, statSync, type BigIntStats } from 'node:fs';
import { access, open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { FilerError, messageOf, systemCode } from '@filer/protocol';
import { identityOf } from './known-digests.ts';

/** A file, or a folder with all that lies in it, to send. */
export interface SourceFile {
  /** Where it lies here. */
  readonly file: string;
  /** What it is to be called at the receiver. @default the last component of `file` */
  readonly name?: string | undefined;
}

/** What was there when it was looked at. */
export interface Source {
  readonly kind: 'file' | 'dir' | 'link';
  readonly file: string;
  /** Relative, `/` between components. */
  readonly name: string;
  /** 0 unless it is a file. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Permission bits. */
  readonly mode: number;
  /** Changes whenever the file does. @see identityOf */
  readonly identity: string;
  /** Where a link points to. */
  readonly target?: string;
  /** Found in a folder, not named by a person: if it has become a link since, it is not followed. */
  readonly inTree: boolean;
}

/**
 * Looks at a file or a folder that is to be sent; links are followed, since a person named it.
 *
 * @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported`
 */
export async function inspectSource({ file, name = basename(file) }: SourceFile): Promise<Source> {
  try {
    const found = await stat(file, { bigint: true });
    const isFolder = found.isDirectory();
    if (!isFolder) requireRegular(file, found);
    await access(file, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK);
    const facts = factsOf(found);
    if (!isFolder) return { kind: 'file', file, name, ...facts, inTree: false };
    return { kind: 'dir', file, name, ...facts, size: 0, inTree: false };
  } catch (error) {
    throw sourceError(file, error);
  }
}

/** An opened source, and what it was like at that moment. */
export class OpenSource implements AsyncDisposable {
  readonly file: string;
  readonly handle: FileHandle;
  readonly #before: BigIntStats;
  readonly #inTree: boolean;

  private constructor({ file, inTree }: Source, handle: FileHandle, before: BigIntStats) {
    this.file = file;
    this.handle = handle;
    this.#before = before;
    this.#inTree = inTree;
  }

  /** @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported` */
  static async open(source: Source): Promise<OpenSource> {
    const { file } = source;
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, openFlags(source));
      const before = await handle.stat({ bigint: true });
      requireRegular(file, before);
      return new OpenSource(source, handle, before);
    } catch (error) {
      await close(handle);
      throw sourceError(file, error);
    }
  }

  get facts(): Facts {
    return factsOf(this.#before);
  }

  /**
   * Whether it was written to or replaced since it was opened. A file that was merely removed has not changed.
   *
   * @throws FilerError `path-unreadable`
   */
  async changed(): Promise<boolean> {
    try {
      const opened = await this.handle.stat({ bigint: true });
      return hasChanged(this.#before, opened, this.file, this.#inTree);
    } catch (error) {
      throw sourceError(this.file, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.handle);
  }
}

async function close(handle: FileHandle | undefined): Promise<void> {
  try {
    await handle?.close();
  } catch (error) {
    // Nothing was written: what was read stays right whatever the disk says now.
    if (systemCode(error) === undefined) throw error;
  }
}

/** Non-blocking: a pipe that took the file's name must not hold the transfer. */
export function openFlags({ inTree }: Source): number {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  return O_RDONLY | O_NONBLOCK | (inTree ? O_NOFOLLOW : 0);
}

/**
 * Whether what was opened was written to since, or has lost its name to another file.
 *
 * @throws a system error when its name cannot be looked at
 */
export function hasChanged(before: BigIntStats, now: BigIntStats, file: string, inTree: boolean): boolean {
  if (now.size !== before.size || now.mtimeNs !== before.mtimeNs) return true;
  const look = inTree ? lstatSync : statSync;
  const there = look(file, { bigint: true, throwIfNoEntry: false });
  if (there === undefined) return false; // removing it touches its ctime
  return there.ino !== before.ino || there.dev !== before.dev || there.ctimeNs !== before.ctimeNs;
}

/** What is said of a file before its content. */
export type Facts = Pick<Source, 'size' | 'mtimeNs' | 'mode' | 'identity'>;

export function factsOf(stats: BigIntStats): Facts {
  const mode = Number(stats.mode & 0o777n);
  return { size: Number(stats.size), mtimeNs: stats.mtimeNs, mode, identity: identityOf(stats) };
}

function requireRegular(file: string, stats: BigIntStats): void {
  if (stats.isFile()) return;
  throw unsupported(file, stats.isDirectory() ? 'a folder' : 'neither a file nor a folder');
}

function unsupported(file: string, kind: string): FilerError {
  return new FilerError(
    'path-unsupported',
    `${JSON.stringify(file.toWellFormed())} is ${kind}: only files can be sent`,
  );
}

/** An error of the file system about a source, as ours. */
export function sourceError(file: string, cause: unknown): FilerError {
  if (cause instanceof FilerError) return cause;
  const code = systemCode(cause);
  if (code === undefined) throw cause; // a bug of ours
  const what = JSON.stringify(file.toWellFormed());
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new FilerError('path-missing', `there is no file ${what}: check the name`, { cause });
    case 'ELOOP':
      return new FilerError('path-unsupported', `${what} has become a link: send again`, { cause });
    case 'EACCES':
    case 'EPERM':
      return new FilerError(
        'path-unreadable',
        `${what} may not be read by this user: change its permissions`,
        {
          cause,
        },
      );
    default:
      return new FilerError('path-unreadable', `${what} cannot be read (${messageOf(cause)})`, { cause });
  }
}

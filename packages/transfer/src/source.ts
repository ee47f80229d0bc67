import { constants, type BigIntStats } from 'node:fs';
import { access, open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { FilerError, messageOf, systemCode } from '@filer/protocol';

/** A file to send. */
export interface SourceFile {
  /** Where it lies here. */
  readonly file: string;
  /** What it is to be called at the receiver. @default the last component of `file` */
  readonly name?: string | undefined;
}

/** A file that was there when it was looked at. */
export interface Source {
  readonly file: string;
  readonly name: string;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Permission bits. */
  readonly mode: number;
}

/**
 * Looks at a file that is to be sent; links are followed, since a person named it.
 *
 * @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported`
 */
export async function inspectSource({ file, name = basename(file) }: SourceFile): Promise<Source> {
  try {
    const found = await stat(file, { bigint: true });
    requireRegular(file, found);
    await access(file, constants.R_OK);
    return { file, name, ...factsOf(found) };
  } catch (error) {
    throw sourceError(file, error);
  }
}

/** An opened source, and what it was like at that moment. */
export class OpenSource implements AsyncDisposable {
  readonly file: string;
  readonly handle: FileHandle;
  readonly #before: BigIntStats;

  private constructor(file: string, handle: FileHandle, before: BigIntStats) {
    this.file = file;
    this.handle = handle;
    this.#before = before;
  }

  /** @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported` */
  static async open(file: string): Promise<OpenSource> {
    let handle: FileHandle | undefined;
    try {
      // Non-blocking: a pipe that took the file's name must not hold the transfer.
      handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
      const before = await handle.stat({ bigint: true });
      requireRegular(file, before);
      return new OpenSource(file, handle, before);
    } catch (error) {
      await close(handle);
      throw sourceError(file, error);
    }
  }

  get facts(): Pick<Source, 'size' | 'mtimeNs' | 'mode'> {
    return factsOf(this.#before);
  }

  /**
   * Whether it was written to or replaced since it was opened. A file that was merely removed has not changed.
   *
   * @throws FilerError `path-unreadable`
   */
  async changed(): Promise<boolean> {
    const [opened, there] = await Promise.all([
      this.handle.stat({ bigint: true }).catch((error: unknown) => {
        throw sourceError(this.file, error);
      }),
      stat(this.file, { bigint: true }).catch(() => undefined),
    ]);
    const before = this.#before;
    if (opened.size !== before.size || opened.mtimeNs !== before.mtimeNs) return true;
    if (there === undefined) return false; // removing it touches its ctime
    return there.ino !== before.ino || there.dev !== before.dev || there.ctimeNs !== before.ctimeNs;
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

function factsOf(stats: BigIntStats): Pick<Source, 'size' | 'mtimeNs' | 'mode'> {
  return { size: Number(stats.size), mtimeNs: stats.mtimeNs, mode: Number(stats.mode & 0o777n) };
}

function requireRegular(file: string, stats: BigIntStats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? 'a folder' : 'neither a file nor a folder';
  throw new FilerError('path-unsupported', `${JSON.stringify(file)} is ${kind}: only files can be sent`);
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

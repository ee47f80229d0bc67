import { constants, lstatSync, statSync, type BigIntStats } from 'node:fs';
import { access, lstat, open, stat, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import type { Growing } from '../wire/growing.ts';
import { identityOf } from '../digests/known-digests.ts';
import { requireNotOwn } from '../disk/own-files.ts';
import type { SharedFolder } from './shared-folder.ts';
import { endsAt, isEmpty, unsized } from './unsized.ts';

/** A file, or a folder with all that is in it, to send. */
export interface SourceFile {
  /** Where it is here; `NAME/path/below` in a shared folder. */
  readonly file: string;
  /** What it is to be called at the receiver: below a folder, `NAME/path/below`. @default the last component of `file` */
  readonly name?: string | undefined;
  /** The shared folder that it is in: no link below is followed. @default none, a person of this machine named it */
  readonly shared?: SharedFolder | undefined;
  /** Tells of a file that is still being written. @default it is complete */
  readonly growing?: Growing | undefined;
  /** It alone, as a program found it: what is in a folder does not go. @default all of it */
  readonly alone?: Alone | undefined;
}

export interface Alone {
  /** Where it is below the folder that a person named; undefined for that folder itself. */
  readonly below?: string | undefined;
  /** A file goes only while it is this: one that has changed fails with `source-changed`. @see versionOf @default whatever it is */
  readonly version?: string | undefined;
}

/** What was there when it was looked at. */
export interface Source {
  readonly kind: 'file' | 'dir' | 'link';
  readonly file: string;
  readonly shared?: SharedFolder | undefined;
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
  /** Found through a link in a folder, which is followed. */
  readonly linked?: true;
  /** Still being written: `size` is what there is so far. */
  readonly growing?: Growing | undefined;
  /** Goes as it was found, or not at all. */
  readonly fixed?: boolean;
}

/** Does something with the path where a source is: a path that leads out of no shared folder. */
export function atSource<T>({ file, shared }: SourceFile, action: (path: string) => T): T {
  return shared === undefined ? action(file) : shared.at(file, action);
}

/**
 * Looks at a file or a folder that is to be sent; links are followed if a person of this machine named it.
 *
 * @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported`, `refused`
 */
export async function inspectSource(wanted: SourceFile): Promise<Source> {
  const { file, name = basename(file), shared, growing } = wanted;
  try {
    const found = await atSource({ file, shared }, (path) => look(path, shared === undefined));
    requireNotOwn(file, found);
    const common = { file, name, inTree: false, ...(shared === undefined ? {} : { shared }) };
    if (found.isDirectory()) return { ...common, ...factsOf(found), kind: 'dir', size: 0 };
    requireRegular(file, found);
    if (growing !== undefined) return { ...common, ...factsOf(found), kind: 'file', growing };
    return fileSource(common, found);
  } catch (error) {
    throw sourceError(file, error);
  }
}

/** A file as it was found. @throws FilerError `path-unsupported`; a system error */
export function fileSource(
  about: Pick<Source, 'file' | 'name' | 'shared' | 'inTree' | 'linked'>,
  found: BigIntStats,
): Source {
  requireSize(about.file, found);
  const source: Source = { ...about, ...factsOf(found), kind: 'file' };
  // Its digest is known without a stream: nothing else would find out.
  if (source.size > 0 || atSource(source, (path) => isEmpty(path, openFlags(source)))) return source;
  throw unsized(source.file);
}

async function look(path: string, follow: boolean): Promise<BigIntStats> {
  const found = await (follow ? stat : lstat)(path, { bigint: true });
  if (!found.isSymbolicLink())
    await access(path, found.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
  return found;
}

/** An opened source, and what it was like at that moment. */
export class OpenSource implements AsyncDisposable {
  readonly file: string;
  readonly handle: FileHandle;
  readonly source: Source;
  readonly #before: BigIntStats;

  private constructor(source: Source, handle: FileHandle, before: BigIntStats) {
    this.file = source.file;
    this.handle = handle;
    this.#before = before;
    this.source = source;
  }

  /** @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported` */
  static async open(source: Source): Promise<OpenSource> {
    const { file } = source;
    let handle: FileHandle | undefined;
    try {
      handle = await atSource(source, (path) => open(path, openFlags(source)));
      const before = await handle.stat({ bigint: true });
      requireNotOwn(file, before);
      requireRegular(file, before);
      if (source.fixed === true && identityOf(before) !== source.identity) throw sourceChanged(file);
      return new OpenSource(source, handle, before);
    } catch (error) {
      await close(handle);
      throw sourceError(file, error);
    }
  }

  get facts(): Facts {
    return factsOf(this.#before);
  }

  /** Whether it takes less of the disk than it has bytes. */
  get isSparse(): boolean {
    return this.#before.blocks * 512n < this.#before.size;
  }

  /**
   * Whether it was written to or replaced since it was opened. A file that was merely removed has not changed.
   *
   * @throws FilerError `path-unreadable`
   */
  async changed(): Promise<boolean> {
    if (this.source.growing !== undefined) return false; // this program alone writes it, and only at its end
    try {
      const opened = await this.handle.stat({ bigint: true });
      return hasChanged(this.#before, opened, this.source);
    } catch (error) {
      throw sourceError(this.file, error);
    }
  }

  /** Whether it ends where its size says, or before. @throws FilerError `path-unreadable` */
  get endsAtSize(): boolean {
    try {
      return endsAt(this.handle.fd, Number(this.#before.size));
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
export function openFlags(source: Source): number {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  return O_RDONLY | O_NONBLOCK | (mayBeLink(source) ? 0 : O_NOFOLLOW);
}

/** Whether what has its name may be a link: a person named it, or wants links to be followed. */
function mayBeLink({ inTree, shared, linked }: Source): boolean {
  return shared === undefined && (!inTree || linked === true);
}

/**
 * Whether what was opened was written to since, or has lost its name to another file.
 *
 * @throws a system error when its name cannot be looked at
 */
function hasChanged(before: BigIntStats, now: BigIntStats, source: Source): boolean {
  if (now.size !== before.size || now.mtimeNs !== before.mtimeNs) return true;
  const there = statsNow(source);
  if (there === undefined) return false; // removing it touches its ctime
  return there.ino !== before.ino || there.dev !== before.dev || there.ctimeNs !== before.ctimeNs;
}

/** The identity of what is there now; undefined when nothing does, or it cannot be looked at. */
export function identityNow(source: Source): string | undefined {
  try {
    const there = statsNow(source);
    return there === undefined ? undefined : identityOf(there);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** What has its name now; undefined when nothing does. @throws a system error when it cannot be looked at */
function statsNow(source: Source): BigIntStats | undefined {
  const look = mayBeLink(source) ? statSync : lstatSync;
  try {
    return atSource(source, (path) => look(path, { bigint: true }));
  } catch (error) {
    // A folder on the way may be a file by now.
    if (GONE.has(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

/** What is said of a file before its content. */
export type Facts = Pick<Source, 'size' | 'mtimeNs' | 'mode' | 'identity'>;

export function factsOf(stats: BigIntStats): Facts {
  const mode = Number(stats.mode & 0o777n);
  return { size: Number(stats.size), mtimeNs: stats.mtimeNs, mode, identity: identityOf(stats) };
}

/** What was to be sent as it was found is something else now. */
export function sourceChanged(file: string): FilerError {
  const what = JSON.stringify(file.toWellFormed());
  return new FilerError('source-changed', `${what} changed before it was sent: send what it is now`);
}

function requireRegular(file: string, stats: BigIntStats): void {
  if (!stats.isFile()) throw unsupported(file, kindOf(stats));
  requireSize(file, stats);
}

/** The protocol counts bytes up to 2^53 - 1; a sparse file can have more. @throws FilerError `path-unsupported` */
export function requireSize(file: string, { size }: BigIntStats): void {
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  throw new FilerError(
    'path-unsupported',
    `${JSON.stringify(file.toWellFormed())} has ${size} bytes, and a file of 2^53 bytes or more cannot be sent: split it`,
  );
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a folder';
  return stats.isSymbolicLink() ? 'a link' : 'neither a file nor a folder';
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
    case 'ENAMETOOLONG':
      return new FilerError(
        'path-unsupported',
        `the path of ${what} is longer than this system takes: shorten it`,
        { cause },
      );
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
      return new FilerError('path-unreadable', `${what} cannot be read (${code})`, { cause });
  }
}

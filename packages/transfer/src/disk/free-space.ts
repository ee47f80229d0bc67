import { diskNear, FilerError, messageOf, usableOf, type DiskState } from '@filer/protocol';
import { InboxUse } from './inbox-use.ts';

export interface FreeSpaceOptions {
  /** Bytes that stay free whatever comes: a full disk hurts more than the transfer. @default 16 MiB */
  readonly keepFreeBytes?: number | undefined;
  /** Most bytes that may lie in the folder. @default no quota */
  readonly quotaBytes?: number | undefined;
  /** What the disk of a folder has. @default statfs */
  readonly look?: ((folder: string) => Promise<DiskState>) | undefined;
}

const KEEP_FREE_BYTES = 16 * 1024 * 1024;

/** @param bytes that were asked for */
export function noRoom(bytes: number): FilerError {
  return new FilerError(
    'no-space',
    `the receiver has no room for ${bytes} bytes, on its disk or within its quota: free some there and send again`,
  );
}

export function noFiles(): FilerError {
  return new FilerError(
    'no-space',
    'the receiver has no room for more files and folders on its disk (inodes, keep-free): free some there and send again',
  );
}

/** Room that was promised to one transfer's files and is not yet used. */
export interface Promised {
  /** Bytes have been written: from now on the file system counts them. */
  use(bytes: number): void;
  /** Gives back what was not used. May be called twice. */
  release(): void;
}

/** Where a transfer takes its room. */
export type Space = Pick<FreeSpace, 'left' | 'make' | 'promise'>;

/**
 * What an inbox can still take. All transfers into one inbox share one, so that none is promised what another
 * already has.
 */
export class FreeSpace {
  readonly #folder: string;
  readonly #keepFreeBytes: number;
  readonly #quotaBytes: number;
  readonly #look: (folder: string) => Promise<DiskState>;
  /** Only where there is a quota. */
  readonly #use: InboxUse | undefined;
  /** Bytes that may be used on the disk, as it was looked at last, less what was used since. */
  #diskBytes = Infinity;
  /** The same of files, folders and links. */
  #diskFiles = Infinity;
  #promisedBytes = 0;
  #promisedFiles = 0;

  /** @param folder any in the inbox's file system; where it is not there yet, the nearest above it counts */
  constructor(folder: string, options: FreeSpaceOptions = {}) {
    this.#folder = folder;
    this.#keepFreeBytes = options.keepFreeBytes ?? KEEP_FREE_BYTES;
    this.#quotaBytes = options.quotaBytes ?? Infinity;
    this.#look = options.look ?? diskNear;
    if (this.#quotaBytes < Infinity) this.#use = new InboxUse(folder);
  }

  /**
   * Bytes and files that can still be promised.
   *
   * @param neededBytes what the caller would promise: the quota is looked at again where it seems too much
   */
  async left(neededBytes = 0): Promise<{ bytes: number; files: number }> {
    await this.#use?.refresh(neededBytes > this.#quotaLeft);
    let disk;
    try {
      disk = await this.#look(this.#folder);
    } catch (error) {
      throw new FilerError(
        'home-not-writable',
        `cannot look at the disk of ${JSON.stringify(this.#folder)}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
    const { bytes, files } = usableOf(disk, this.#keepFreeBytes);
    this.#diskBytes = bytes;
    // A file takes a block, also where the file system makes inodes as they are needed.
    this.#diskFiles = Math.max(0, Math.min(files, Math.floor(bytes / disk.bsize)));
    return this.now;
  }

  /** The same, as the disk was looked at last. */
  get now(): { bytes: number; files: number } {
    return { bytes: this.#bytesLeft, files: this.#filesLeft };
  }

  get #filesLeft(): number {
    return this.#diskFiles - this.#promisedFiles;
  }

  /**
   * Takes files, folders and links that are made at once. Transfers that looked at the disk at the same time share what is there.
   *
   * @throws FilerError `no-space`
   */
  make(count: number): void {
    if (count > this.#filesLeft) throw noFiles();
    this.#diskFiles -= count;
  }

  get #bytesLeft(): number {
    return Math.min(this.#diskBytes - this.#promisedBytes, this.#quotaLeft);
  }

  get #quotaLeft(): number {
    return this.#quotaBytes - (this.#use?.bytes ?? 0) - this.#promisedBytes;
  }

  /**
   * Promises room for one file. The caller has compared it with `left`, since when another transfer may have been
   * promised the same.
   *
   * @throws FilerError `no-space` when disk or quota no longer allow it
   */
  promise(bytes: number): Promised {
    if (bytes > 0 && bytes > this.#bytesLeft) throw noRoom(bytes);
    if (this.#filesLeft < 1) throw noFiles();
    let remaining = bytes;
    let files = 1;
    this.#promisedBytes += remaining;
    this.#promisedFiles += files;
    return {
      use: (used) => {
        const counted = Math.min(used, remaining);
        remaining -= counted;
        this.#promisedBytes -= counted;
        this.#diskBytes -= counted;
        this.#use?.wrote(counted);
      },
      release: () => {
        this.#promisedBytes -= remaining;
        this.#promisedFiles -= files;
        remaining = 0;
        files = 0;
      },
    };
  }
}

import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FilerError, messageOf, systemCode } from '@filer/protocol';

export interface FreeSpaceOptions {
  /** Bytes that stay free whatever comes: a full disk hurts more than the transfer. @default 16 MiB */
  readonly keepFreeBytes?: number;
  /** Bytes that the owner's quota still allows. @default no quota */
  readonly quotaLeftBytes?: () => number;
}

const KEEP_FREE_BYTES = 16 * 1024 * 1024;

async function statfsNear(folder: string): Promise<StatsFs> {
  try {
    return await statfs(folder);
  } catch (error) {
    const above = dirname(folder);
    if (systemCode(error) !== 'ENOENT' || above === folder) throw error;
    return await statfsNear(above);
  }
}

/** Room that was promised to one transfer's files and is not yet used. */
export interface Promised {
  /** Bytes have been written: from now on the file system counts them. */
  use(bytes: number): void;
  /** Gives back what was not used. May be called twice. */
  release(): void;
}

/**
 * What an inbox can still take. All transfers into one inbox share one, so that none is promised what another
 * already has.
 */
export class FreeSpace {
  readonly #folder: string;
  readonly #keepFreeBytes: number;
  readonly #quotaLeftBytes: () => number;
  #promisedBytes = 0;
  #promisedFiles = 0;

  /** @param folder any in the inbox's file system; where it is not there yet, the nearest above it counts */
  constructor(folder: string, options: FreeSpaceOptions = {}) {
    this.#folder = folder;
    this.#keepFreeBytes = options.keepFreeBytes ?? KEEP_FREE_BYTES;
    this.#quotaLeftBytes = options.quotaLeftBytes ?? ((): number => Infinity);
  }

  /** Bytes and files that can still be promised. */
  async left(): Promise<{ bytes: number; files: number }> {
    let disk;
    try {
      disk = await statfsNear(this.#folder);
    } catch (error) {
      throw new FilerError(
        'home-not-writable',
        `cannot look at the disk of ${this.#folder}: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
    const bytes = Math.min(disk.bavail * disk.bsize - this.#keepFreeBytes, this.#quotaLeftBytes());
    // Some file systems make room for files as they come, and say 0.
    const files = disk.files === 0 ? Infinity : disk.ffree;
    return { bytes: bytes - this.#promisedBytes, files: files - this.#promisedFiles };
  }

  /** Promises room for one file. The caller has compared it with `left`. */
  promise(bytes: number): Promised {
    let remaining = bytes;
    let files = 1;
    this.#promisedBytes += remaining;
    this.#promisedFiles += files;
    return {
      use: (used) => {
        const counted = Math.min(used, remaining);
        remaining -= counted;
        this.#promisedBytes -= counted;
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

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { FilerError, messageOf, systemCode, usableOf, type DiskState } from '@filer/protocol';
import { formatBytes } from './sizes.ts';

/** The disk is looked at again after this, in ms; in between, what is written is counted. */
const LOOK_EVERY_MS = 1_000;

export interface DiskRoomOptions {
  /** Bytes that stay free, whatever comes. */
  readonly keepFreeBytes: number;
  /** What the disk has. @default statfs */
  readonly look?: (folder: string) => DiskState;
  /** ms of a clock that does not jump. @default performance.now */
  readonly now?: () => number;
}

/**
 * What a program may still write to the disk of a folder because of what other machines send: the disk never fills up to its
 * last byte or inode, which would stop everything else on it.
 */
export class DiskRoom {
  readonly #folder: string;
  readonly #keepFreeBytes: number;
  readonly #look: (folder: string) => DiskState;
  readonly #now: () => number;
  #lookedAt = -Infinity;
  #bytes = 0;
  #files = 0;

  constructor(folder: string, { keepFreeBytes, look = lookNear, now }: DiskRoomOptions) {
    this.#folder = folder;
    this.#keepFreeBytes = keepFreeBytes;
    this.#look = look;
    this.#now = now ?? (() => performance.now());
  }

  /** Bytes that may be written, below zero where less is free than stays free. */
  get bytes(): number {
    this.#refresh();
    return this.#bytes;
  }

  /** Files that may be made; Infinity where the file system makes inodes as they are needed. */
  get files(): number {
    this.#refresh();
    return this.#files;
  }

  /**
   * Counts what is about to be written.
   *
   * @throws FilerError `no-space` when it would leave less than stays free; nothing is counted then
   */
  require(bytes: number, files = 0): void {
    this.#refresh();
    if (files > 0 && files > this.#files) {
      throw new FilerError('no-space', 'the last files (inodes) of the disk there stay free: remove some');
    }
    if (bytes > this.#bytes) {
      const kept = formatBytes(this.#keepFreeBytes);
      throw new FilerError('no-space', `the last ${kept} of the disk there stay free (keep-free): make room`);
    }
    this.use(bytes, files);
  }

  /** Counts what is written in any case. */
  use(bytes: number, files = 0): void {
    this.#refresh();
    this.#bytes -= bytes;
    this.#files -= files;
  }

  #refresh(): void {
    const now = this.#now();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    const { bytes, files } = usableOf(this.#look(this.#folder), this.#keepFreeBytes);
    this.#bytes = bytes;
    this.#files = files;
  }
}

/** A folder that is not there yet will be on the disk of the nearest above it. @throws FilerError `home-not-writable` */
function lookNear(folder: string): DiskState {
  try {
    return statfsSync(folder);
  } catch (error) {
    const above = dirname(folder);
    if (systemCode(error) === 'ENOENT' && above !== folder) return lookNear(above);
    throw new FilerError('home-not-writable', `cannot look at the disk of ${folder}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

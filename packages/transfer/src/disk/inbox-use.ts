import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '@filer/protocol';

/** Looked at again in the background when it is older, in ms: files come and go without us. */
const STALE_MS = 60_000;

/** Where more files lie, measuring again waits until it took at most this share of the time. */
const FEW_FILES = 5_000;
const MAX_SHARE = 0.1;

/** A folder in which files come and go is listed so many times more at most. */
const MAX_LISTINGS = 20;

/** How many bytes lie below a folder: measured, and counted from there on. */
export class InboxUse {
  readonly #folder: string;
  #measuredBytes = 0;
  /** Written since the measurement began. */
  #writtenBytes = 0;
  #measuredAt = -Infinity;
  #tookMs = 0;
  #files = 0;
  #measuring: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** As far as it is known; what was dropped or removed since the measurement still counts. */
  get bytes(): number {
    return this.#measuredBytes + this.#writtenBytes;
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  /**
   * Measures where nothing is known yet, or what is known is to be renewed.
   *
   * @param mustKnow whether to wait for a new measurement, because of the known one something would be refused
   */
  async refresh(mustKnow: boolean): Promise<void> {
    const first = this.#measuredAt === -Infinity;
    const ageMs = performance.now() - this.#measuredAt;
    const isRested = this.#files < FEW_FILES || ageMs * MAX_SHARE >= this.#tookMs;
    if (first || (isRested && (mustKnow || ageMs > STALE_MS))) this.#measuring ??= this.#measure();
    if (first || mustKnow) await this.#measuring;
  }

  async #measure(): Promise<void> {
    const startedAt = performance.now();
    const before = this.#writtenBytes;
    try {
      const { bytes, files } = await measure(this.#folder);
      this.#measuredBytes = bytes;
      this.#files = files;
      // What came meanwhile may be measured as well: rather counted twice than not at all.
      this.#writtenBytes -= before;
    } finally {
      this.#measuredAt = performance.now();
      this.#tookMs = this.#measuredAt - startedAt;
      this.#measuring = undefined;
    }
  }
}

/** The sizes of all files below a folder, parts among them. Follows no links; what cannot be read counts nothing. */
async function measure(root: string): Promise<{ bytes: number; files: number }> {
  let [bytes, files] = [0, 0];
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const found = await measureFolder(folder);
    folders.push(...found.folders);
    bytes += found.bytes;
    files += found.files;
  }
  return { bytes, files };
}

interface FolderUse {
  readonly folders: readonly string[];
  readonly bytes: number;
  readonly files: number;
}

/** What is in one folder. A file that gets its final name meanwhile may be met under neither: then the folder is listed again. */
async function measureFolder(folder: string, triesLeft = MAX_LISTINGS): Promise<FolderUse> {
  const folders: string[] = [];
  let [bytes, files, isWhole] = [0, 0, true];
  for (const item of await itemsOf(folder)) {
    const path = join(folder, item.name);
    if (item.isDirectory()) folders.push(path);
    if (!item.isFile()) continue;
    const size = await sizeOf(path);
    isWhole &&= size !== undefined;
    bytes += size ?? 0;
    files++;
  }
  if (isWhole || triesLeft === 0) return { folders, bytes, files };
  return await measureFolder(folder, triesLeft - 1);
}

async function itemsOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) !== undefined) return [];
    throw error;
  }
}

/** @returns undefined when it is gone */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') return undefined;
    if (code !== undefined) return 0;
    throw error;
  }
}

import { lstatSync } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, type Entry } from '@filer/protocol';
import { isPartName } from '@filer/transfer';

/** What one machine may bring in one run. */
export interface RunBounds {
  /** Most files and links. @default any number */
  readonly maxFiles: number | undefined;
  /** Most bytes; `half` is at most as much as stays free on the disk. */
  readonly maxSize: number | 'half' | 'none';
}

/** What one machine brings in one run, however often it comes. */
export class RunFiles {
  /** What was there when it came, folders included. */
  readonly before: { readonly bytes: number; readonly files: number };
  readonly #folder: string;
  readonly #bounds: RunBounds;
  #files: number;

  private constructor(folder: string, bounds: RunBounds, there: Found) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#files = there.files;
    this.before = { bytes: there.bytes, files: there.files + there.folders };
  }

  /** Looks at what is there. @param folder of the machine and the run; it need not be there */
  static async in(folder: string, bounds: RunBounds): Promise<RunFiles> {
    const { maxFiles = Infinity, maxSize } = bounds;
    const there = { files: 0, folders: 0, bytes: 0 };
    if (maxFiles === Infinity && maxSize === 'none') return new RunFiles(folder, bounds, there);
    try {
      for await (const item of await opendir(folder, { recursive: true })) {
        if (item.isDirectory()) there.folders++;
        else if (!isPartName(item.name)) {
          there.files++;
          if (maxSize === 'none') {
            if (there.files >= maxFiles) break;
          } else if (item.isFile()) there.bytes += (await lstat(join(item.parentPath, item.name))).size;
        }
      }
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    return new RunFiles(folder, bounds, there);
  }

  /** Bytes that may still come; undefined for any number. */
  get bytesLeft(): number | undefined {
    const { maxSize } = this.#bounds;
    return typeof maxSize === 'number' ? Math.max(0, maxSize - this.before.bytes) : undefined;
  }

  /** One more is announced: what is there already counts once. @throws FilerError `too-large` */
  take({ kind, path }: Entry): void {
    const { maxFiles } = this.#bounds;
    if (maxFiles === undefined || kind === 'dir') return;
    if (lstatSync(join(this.#folder, path), { throwIfNoEntry: false }) !== undefined) return;
    if (this.#files >= maxFiles) {
      throw new FilerError(
        'too-large',
        `the ip-server takes ${maxFiles} files of one machine in one run of a collect: pack them`,
      );
    }
    this.#files++;
  }
}

interface Found {
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
}

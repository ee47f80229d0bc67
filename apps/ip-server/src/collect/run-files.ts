import { lstatSync } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, type Entry } from '@filer/protocol';
import { isPartName } from '@filer/transfer';

/** What one machine may bring in one run. */
export interface RunBounds {
  /** @default any number */
  readonly maxFiles: number | undefined;
  /** @default any number */
  readonly maxBytes: number | undefined;
}

/** What one machine brings in one run, however often it comes. */
export class RunFiles {
  readonly #folder: string;
  readonly #bounds: RunBounds;
  #files: number;
  readonly #bytes: number;

  private constructor(folder: string, bounds: RunBounds, files: number, bytes: number) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#files = files;
    this.#bytes = bytes;
  }

  /** Looks at what is there. @param folder of the machine and the run; it need not be there */
  static async in(folder: string, bounds: RunBounds): Promise<RunFiles> {
    const { maxFiles = Infinity, maxBytes } = bounds;
    let [files, bytes] = [0, 0];
    if (maxFiles === Infinity && maxBytes === undefined) return new RunFiles(folder, bounds, files, bytes);
    try {
      for await (const item of await opendir(folder, { recursive: true })) {
        if (item.isDirectory() || isPartName(item.name)) continue;
        files++;
        if (maxBytes === undefined) {
          if (files >= maxFiles) break;
        } else if (item.isFile()) bytes += (await lstat(join(item.parentPath, item.name))).size;
      }
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    return new RunFiles(folder, bounds, files, bytes);
  }

  /** Bytes that may still come; undefined for any number. */
  get bytesLeft(): number | undefined {
    const { maxBytes } = this.#bounds;
    return maxBytes === undefined ? undefined : Math.max(0, maxBytes - this.#bytes);
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

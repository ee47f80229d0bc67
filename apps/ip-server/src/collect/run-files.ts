import { lstatSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, type Entry } from '@filer/protocol';
import { isPartName } from '@filer/transfer';

/** How many files one machine brings in one run, however often it comes. */
export class RunFiles {
  readonly #folder: string;
  readonly #most: number;
  #files: number;

  private constructor(folder: string, most: number, files: number) {
    this.#folder = folder;
    this.#most = most;
    this.#files = files;
  }

  /** Counts what is there. @param folder of the machine and the run; it need not be there */
  static async in(folder: string, most: number): Promise<RunFiles> {
    let files = 0;
    try {
      for await (const item of await opendir(folder, { recursive: true })) {
        if (!item.isDirectory() && !isPartName(item.name)) files++;
        if (files >= most) break;
      }
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    return new RunFiles(folder, most, files);
  }

  /** One more is announced: what is there already counts once. @throws FilerError `too-large` */
  take({ kind, path }: Entry): void {
    if (kind === 'dir' || lstatSync(join(this.#folder, path), { throwIfNoEntry: false }) !== undefined)
      return;
    if (this.#files >= this.#most) {
      throw new FilerError(
        'too-large',
        `the ip-server takes ${this.#most} files of one machine in one run of a collect: pack them`,
      );
    }
    this.#files++;
  }
}

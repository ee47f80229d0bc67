import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A small disk, an ext4 file system in a file. A copy of that file while nothing writes is what a power cut leaves: all that was
 * written to the disk, and nothing that was only said to be written.
 */
export class ImageDisk implements AsyncDisposable {
  readonly #folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, 'disk');
  }

  static async open(bytes: number): Promise<ImageDisk> {
    const disk = new ImageDisk(await mkdtemp(join(tmpdir(), 'filer-test-power-')));
    await mkdir(disk.path);
    await run('truncate', ['-s', String(bytes), `${disk.path}.img`]);
    await run('mkfs.ext4', ['-q', '-F', `${disk.path}.img`]);
    await run('mount', ['-o', 'loop', `${disk.path}.img`, disk.path]);
    return disk;
  }

  /** All that is on it so far is written. */
  async sync(): Promise<void> {
    await run('sync', ['-f', this.path]);
  }

  /**
   * Copies what a power cut would leave at this moment. The kernel still writes while all programs stand still, and a copy of which
   * parts are of other moments has a journal that cannot be followed: it is made again.
   */
  async cut(): Promise<void> {
    const image = `${this.path}.img`;
    for (let before: bigint | undefined; ;) {
      const { mtimeNs } = await stat(image, { bigint: true });
      if (mtimeNs === before) return;
      before = mtimeNs;
      await copyFile(image, join(this.#folder, 'copy.img'));
    }
  }

  /** Looks into the copy. @param there where in it something is that is on the disk */
  async look<T>(work: (there: (path: string) => string, copy: string) => Promise<T>): Promise<T> {
    const copy = join(this.#folder, 'copy');
    await mkdir(copy, { recursive: true });
    await run('mount', ['-o', 'loop', `${copy}.img`, copy]);
    try {
      return await work((path) => join(copy, relative(this.path, path)), copy);
    } finally {
      await run('umount', [copy]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was stopped for good may hold folders of it open.
    await run('umount', ['--lazy', this.path]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

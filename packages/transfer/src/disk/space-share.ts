import type { FilerError } from '@filer/protocol';
import type { FreeSpace, Promised, Space } from './free-space.ts';

/**
 * What one of many senders may take of a disk that they share: at most as much as it leaves to the others. So one sender
 * takes half of what is free, and ten that want all of it leave an eleventh part.
 */
export class SpaceShare implements Space {
  readonly #space: FreeSpace;
  readonly #beyond: () => FilerError;
  #bytes: number;
  #files: number;

  /**
   * @param own what the sender has there already
   * @param beyond why more than its share is not taken
   */
  constructor(
    space: FreeSpace,
    own: { readonly bytes: number; readonly files: number },
    beyond: () => FilerError,
  ) {
    this.#space = space;
    this.#bytes = own.bytes;
    this.#files = own.files;
    this.#beyond = beyond;
  }

  /** What is there for all; each file is compared with the share when room is promised to it. */
  left(neededBytes?: number): ReturnType<FreeSpace['left']> {
    return this.#space.left(neededBytes);
  }

  /** @throws FilerError `no-space`, and what is said of more than the share */
  make(count: number): void {
    this.#require(0, count);
    this.#space.make(count);
    this.#files += count;
  }

  /** @throws FilerError `no-space`, and what is said of more than the share */
  promise(bytes: number): Promised {
    this.#require(bytes, 1);
    const promised = this.#space.promise(bytes);
    let unused = bytes;
    this.#bytes += bytes;
    this.#files += 1;
    return {
      use: (used) => {
        unused -= Math.min(used, unused);
        promised.use(used);
      },
      release: () => {
        this.#bytes -= unused;
        unused = 0;
        promised.release();
      },
    };
  }

  #require(bytes: number, files: number): void {
    const after = { bytes: this.#space.now.bytes - bytes, files: this.#space.now.files - files };
    // What the disk itself does not take is refused by it.
    if (after.bytes < 0 || after.files < 0) return;
    if ((bytes > 0 && this.#bytes + bytes > after.bytes) || this.#files + files > after.files)
      throw this.#beyond();
  }
}

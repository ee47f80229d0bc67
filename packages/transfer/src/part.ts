import { randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, fsync, futimesSync, openSync, unlinkSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { FilerError, messageOf, systemCode, type Digests, type FileEnd } from '@filer/protocol';
import { FileDigests } from './digests.ts';
import { takeFinalName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { PART_PREFIX } from './safe-path.ts';

const syncDescriptor = promisify(fsync);

/** Chunks that may be on their way to the file system while the next one comes in. */
const MAX_WRITES = 2;

/** Bits for owner, group and others: set-user-id, set-group-id and sticky never travel. */
const PERMISSIONS = 0o777;

const NO_MODES = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

export interface PartOptions {
  /** Where the part lies: in the file system of its final place. */
  readonly folder: Folder;
  /** For messages. */
  readonly name: string;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly mode: number;
}

/**
 * A file on its way in: hidden, this user's alone, and gone unless `commit` gave it its final name. Digested as
 * it is written.
 */
export class Part {
  readonly #options: PartOptions;
  readonly #file: string;
  readonly #descriptor: number;
  readonly #digests = new FileDigests();
  /** Writes that were begun, oldest first. They never reject: `#writeError` tells. */
  readonly #writes: Promise<void>[] = [];
  #writeError: FilerError | undefined;
  #written = 0;
  #state: 'open' | 'closed' | 'gone' = 'open';

  /** @throws FilerError `no-space`, `home-not-writable` */
  constructor(options: PartOptions) {
    this.#options = options;
    this.#file = `${PART_PREFIX}${randomBytes(12).toString('hex')}`;
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    try {
      this.#descriptor = openSync(
        options.folder.at(this.#file),
        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
        0o600,
      );
    } catch (error) {
      throw writeError(options.name, error);
    }
  }

  /**
   * Takes the next bytes. A slow disk holds the caller, not the process: writing happens on another thread.
   *
   * @param content belongs to the part until `onWritten` is called
   * @throws FilerError `no-space`, `home-not-writable`, for this or an earlier chunk: the part is of no more use
   */
  async append(content: Buffer, onWritten: () => void): Promise<void> {
    this.#digests.update(content);
    const writing = this.#write(content, this.#written).then(onWritten);
    this.#written += content.length;
    this.#writes.push(writing);
    if (this.#writes.length >= MAX_WRITES) await this.#writes.shift();
    if (this.#writeError !== undefined) throw this.#writeError;
  }

  async #write(content: Buffer, position: number): Promise<void> {
    try {
      // A full disk shows first as a short write.
      for (let at = 0; at < content.length;) {
        at += await writeSome(this.#descriptor, content.subarray(at), position + at);
      }
    } catch (error) {
      this.#writeError ??= writeError(this.#options.name, error);
    }
  }

  async #writesDone(): Promise<void> {
    await Promise.all(this.#writes.splice(0));
    if (this.#writeError !== undefined) throw this.#writeError;
  }

  /**
   * Whether what came is what was sent, and is written.
   *
   * @throws FilerError `verification-failed`, or what writing threw
   */
  async verify(end: FileEnd): Promise<Digests> {
    await this.#writesDone();
    const { name, size } = this.#options;
    const { digest, blocks } = this.#digests.finish();
    if (this.#written !== size || end.size !== size) {
      throw new FilerError(
        'verification-failed',
        `${JSON.stringify(name)} came with ${this.#written} bytes instead of ${size}: send it again`,
      );
    }
    if (digest !== end.digest || blocks !== end.blocks) {
      throw new FilerError(
        'verification-failed',
        `${JSON.stringify(name)} was altered on its way (its digest is not the sender's): send it again`,
      );
    }
    return { digest, blocks };
  }

  /**
   * Time, permissions, disk, final name, disk again: after that the file is there to stay. The part is gone when
   * this throws.
   *
   * @param into where the final name is taken, in the same file system
   * @returns the name it got
   * @throws FilerError `no-space`, `home-not-writable`, `name-refused`
   */
  async commit(into: Folder, wanted: string, sync: boolean): Promise<string> {
    const { name, mtimeNs, mode } = this.#options;
    try {
      // Seconds as a number hold microseconds; half of one more keeps the cut to whole ones from losing one.
      const seconds = (Number(mtimeNs / 1000n) + 0.5) / 1e6;
      setMode(this.#descriptor, mode & PERMISSIONS);
      futimesSync(this.#descriptor, Date.now() / 1000, seconds);
      // Once: a sync that failed may have dropped the bytes, and would succeed the second time.
      if (sync) await syncDescriptor(this.#descriptor);
      this.#close();
      const taken = await takeFinalName({ folder: this.#options.folder, file: this.#file }, into, wanted);
      this.#state = 'gone';
      if (sync) await syncName(into, taken);
      return taken;
    } catch (error) {
      await this.drop();
      throw error instanceof FilerError ? error : writeError(name, error);
    }
  }

  /** Removes it. May be called at any time, and twice. */
  async drop(): Promise<void> {
    // The descriptor's number must not become another file's while a write to it is on its way.
    await Promise.all(this.#writes.splice(0));
    try {
      this.#close();
    } catch (error) {
      if (systemCode(error) === undefined) throw error; // the content is given up: that it is lost is no news
    }
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    try {
      unlinkSync(this.#options.folder.at(this.#file));
    } catch (error) {
      // Whatever keeps it from being removed now, `cleanParts` tries again.
      if (systemCode(error) === undefined) throw error;
    }
  }

  #close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    closeSync(this.#descriptor);
  }
}

function writeSome(descriptor: number, content: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, content, 0, content.length, position, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}

/** A name that may not outlast a power cut was not delivered: it is given up again. */
async function syncName(into: Folder, name: string): Promise<void> {
  try {
    await into.sync();
  } catch (error) {
    unlinkSync(into.at(name));
    throw error;
  }
}

function setMode(descriptor: number, mode: number): void {
  try {
    fchmodSync(descriptor, mode);
  } catch (error) {
    // A file system without permission bits (FAT) takes the file all the same.
    if (!NO_MODES.has(systemCode(error) ?? '')) throw error;
  }
}

function writeError(name: string, cause: unknown): FilerError {
  const code = systemCode(cause);
  if (code === undefined) throw cause; // a bug of ours
  const what = JSON.stringify(name);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new FilerError(
      'no-space',
      `the receiver has no space left for ${what}: free some there and send again`,
      {
        cause,
      },
    );
  }
  return new FilerError('home-not-writable', `the receiver cannot write ${what} (${messageOf(cause)})`, {
    cause,
  });
}

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  read,
  unlinkSync,
} from 'node:fs';
import {
  BLOCK_DIGEST_BYTES,
  DIGEST_BLOCK_BYTES,
  FilerError,
  systemCode,
  type Digests,
  type FileEnd,
} from '@filer/protocol';
import { digestOfBlock, digestsOfSmall, EMPTY_DIGESTS, FileDigests } from './digests.ts';
import { takeFinalName, takeFreeName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { asideIn, partIn, type Hidden } from './hidden.ts';
import type { KeptPlace } from './kept-parts.ts';
import { PartWriter } from './part-writer.ts';
import { Aside, replaceFile, type Replaceable } from './replacing.ts';
import { utimesTime } from './times.ts';
import { writeError } from './write-error.ts';

/** Answers about the basis that are remembered: a sender asks for the next one while it uses the last. */
const MAX_TOLD = 3;

/** Bits for owner, group and others: set-user-id, set-group-id and sticky never travel. */
const PERMISSIONS = 0o777;

const NO_MODES = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

export interface PartOptions {
  /** Where the part lies: in the file system of its final place. */
  readonly folder: Folder;
  /** Begins its name, where it goes with the transfer. @default '' */
  readonly mark?: string | undefined;
  /** For messages. */
  readonly name: string;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly mode: number;
  /** Whether it will be brought to the disk. */
  readonly sync: boolean;
  /** Its place among the parts that outlast a cut. @default none: it goes with the transfer */
  readonly kept?: KeptPlace | undefined;
  /** An older version of the file, to take blocks from. @default none */
  readonly older?: { readonly folder: Folder; readonly name: string } | undefined;
}

/**
 * A file on its way in: hidden, this user's alone, and gone unless `commit` gave it its final name, or `keep` left
 * it for the next try. Digested as it is written.
 */
export class Part {
  readonly #options: PartOptions;
  readonly #folder: Folder;
  readonly #file: string;
  readonly #descriptor: number;
  /** What an earlier try left in this part, in bytes. */
  readonly #ownBytes: number;
  readonly #older: OlderFile | undefined;
  #digests: FileDigests | undefined;
  /** Of a small file that came in one piece. */
  #whole: Digests | undefined;
  readonly #writer: PartWriter;
  /** The block digests of the basis that were told last. */
  readonly #told: { readonly first: number; readonly digests: Buffer }[] = [];
  /** One block of the basis. */
  #block: Buffer | undefined;
  #written = 0;
  #size: number;
  #state: 'open' | 'closed' | 'gone' = 'open';

  /** @throws FilerError `no-space`, `home-not-writable` */
  constructor(options: PartOptions) {
    this.#options = options;
    this.#size = options.size;
    const { kept, folder } = options;
    const hidden = kept ?? partIn(folder, options.mark);
    this.#folder = hidden.folder;
    this.#file = hidden.file;
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const how = kept === undefined ? O_EXCL : 0;
    try {
      this.#descriptor = openSync(this.#path, O_RDWR | O_CREAT | O_NOFOLLOW | how, 0o600);
      this.#ownBytes = kept === undefined ? 0 : fstatSync(this.#descriptor).size;
    } catch (error) {
      throw writeError(options.name, error);
    }
    this.#writer = new PartWriter(this.#descriptor, options.name, options.sync, this.#ownBytes);
    this.#older =
      options.older === undefined ? undefined : openOlder(options.older.folder.at(options.older.name));
  }

  /** The file is to have so many bytes after all. */
  grow(size: number): void {
    this.#size = size;
  }

  /** What an earlier try left, or an older version has, in bytes. */
  get basisBytes(): number {
    return Math.max(this.#ownBytes, this.#older?.bytes ?? 0);
  }

  get #path(): string {
    return this.#folder.at(this.#file);
  }

  /**
   * The digests of blocks that an earlier try left, one after the other.
   *
   * @param first the number of the first block
   * @returns those of at most `count`; fewer where the basis ends, or cannot be read
   */
  async digestsOfBasis(first: number, count: number): Promise<Buffer> {
    const digests = await this.#digestsOfBlocks(first, count);
    this.#told.push({ first, digests });
    if (this.#told.length > MAX_TOLD) this.#told.shift();
    return digests;
  }

  async #digestsOfBlocks(first: number, count: number): Promise<Buffer> {
    const digests: Buffer[] = [];
    for (let block = first; block < first + count; block++) {
      const offset = block * DIGEST_BLOCK_BYTES;
      const bytes = Math.min(DIGEST_BLOCK_BYTES, this.basisBytes - offset);
      if (bytes <= 0) break;
      const content = await this.#readBasis(offset, bytes);
      if (content === undefined) break;
      // Lost since, or never written: shorter, and so no block of the file.
      digests.push(digestOfBlock(content));
    }
    return Buffer.concat(digests);
  }

  /**
   * Takes the next bytes from the basis.
   *
   * @returns whether they are there, as they were told: otherwise the part is of no more use
   * @throws FilerError `no-space`, `home-not-writable`
   */
  async appendSame(bytes: number): Promise<boolean> {
    await this.#writer.settled();
    const content = await this.#readBasis(this.#written, bytes);
    if (content?.length !== bytes || !this.#digestSame(content)) return false;
    if (!this.#isOwn(this.#written, bytes)) {
      await this.#writer.write(content, this.#written, () => undefined);
      await this.#writer.settled(); // the block's memory is read into again
    }
    this.#written += bytes;
    return true;
  }

  /**
   * Digests the next bytes. An older version may have been written to since: what `same` stands for is what was told.
   *
   * @returns whether it is that
   */
  #digestSame(content: Buffer): boolean {
    const told = this.#toldOf(this.#written);
    this.#digests ??= new FileDigests();
    if (told !== undefined) return told.equals(this.#digests.addBlock(content));
    this.#digests.update(content);
    return true; // never asked for: the digest of the whole file judges
  }

  /** The digest of the block of the basis that begins here, as it was told. */
  #toldOf(offset: number): Buffer | undefined {
    if (offset % DIGEST_BLOCK_BYTES > 0) return undefined;
    for (const { first, digests } of this.#told) {
      const at = (offset / DIGEST_BLOCK_BYTES - first) * BLOCK_DIGEST_BYTES;
      if (at >= 0 && at < digests.length) return digests.subarray(at, at + BLOCK_DIGEST_BYTES);
    }
    return undefined;
  }

  /** Whether these bytes of the basis are those of an earlier try, which are in their place already. */
  #isOwn(offset: number, bytes: number): boolean {
    return this.#older === undefined || offset + bytes <= this.#ownBytes;
  }

  /** @returns undefined when they cannot be read: the bytes come over the wire then */
  async #readBasis(offset: number, bytes: number): Promise<Buffer | undefined> {
    this.#block ??= Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
    const from = this.#isOwn(offset, bytes)
      ? this.#descriptor
      : (this.#older?.descriptor ?? this.#descriptor);
    try {
      const read = await readSome(from, this.#block.subarray(0, bytes), offset);
      return this.#block.subarray(0, read);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined;
    }
  }

  /**
   * Takes the next bytes. Resolves when more may come.
   *
   * @param content belongs to the part until `onWritten` is called
   * @param isAll whether it is the whole file
   * @throws FilerError `no-space`, `home-not-writable`, for this or an earlier chunk: the part is of no more use
   */
  async append(content: Buffer, onWritten: () => void, isAll = false): Promise<void> {
    if (isAll && content.length <= DIGEST_BLOCK_BYTES) this.#whole = digestsOfSmall(content);
    else this.#update(content);
    await this.#writer.write(content, this.#written, onWritten);
    this.#written += content.length;
  }

  #update(content: Buffer): void {
    this.#digests ??= new FileDigests();
    this.#digests.update(content);
  }

  /**
   * Whether what came is what was sent, and is written.
   *
   * @throws FilerError `verification-failed`, or what writing threw
   */
  async verify(end: FileEnd): Promise<Digests> {
    await this.#writer.settled();
    const [{ name }, size] = [this.#options, this.#size];
    const { digest, blocks } = this.#whole ?? this.#digests?.finish() ?? EMPTY_DIGESTS;
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
   * @param replaces what has that name and is to go, unless it is something else by now
   * @returns the name it got
   * @throws FilerError `no-space`, `home-not-writable`, `name-refused`
   */
  async commit(into: Folder, wanted: string, replaces?: Replaceable): Promise<string> {
    const { name, mtimeNs, mode, sync } = this.#options;
    try {
      if (this.#ownBytes > this.#size || this.#writer.hasHoles) ftruncateSync(this.#descriptor, this.#size);
      setMode(this.#descriptor, mode & PERMISSIONS);
      futimesSync(this.#descriptor, Date.now() / 1000, utimesTime(mtimeNs));
      if (sync) await this.#writer.sync();
      this.#close();
      const finished = { folder: this.#folder, file: this.#file };
      const hasReplaced = replaces !== undefined && (await this.#replace(finished, into, wanted, replaces));
      const taken = hasReplaced ? wanted : await takeFinalName(finished, into, wanted);
      this.#state = 'gone';
      if (sync && hasReplaced) await into.sync();
      else if (sync) await syncName(into, taken);
      return taken;
    } catch (error) {
      await this.drop();
      throw error instanceof FilerError ? error : writeError(name, error);
    }
  }

  async #replace(finished: Hidden, into: Folder, name: string, what: Replaceable): Promise<boolean> {
    if ('identity' in what) return replaceFile(finished, into, name, what.identity);
    const aside = Aside.take(into, name, what, asideIn(this.#options.folder, this.#options.mark));
    let taken = false;
    try {
      taken = aside !== undefined && (await takeFreeName(finished, into, name));
    } finally {
      if (!taken) aside?.back();
    }
    if (taken) await aside?.remove();
    return taken;
  }

  /** Removes it. May be called at any time, and twice. */
  async drop(): Promise<void> {
    // The descriptor's number must not become another file's while a write to it is on its way.
    await this.#writer.idle();
    try {
      this.#close();
    } catch (error) {
      if (systemCode(error) === undefined) throw error; // the content is given up: that it is lost is no news
    }
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    try {
      unlinkSync(this.#path);
    } catch (error) {
      // Whatever keeps it from being removed now, `cleanParts` tries again.
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** The transfer was cut: leaves what came for the next try, where there is a place for it. */
  async keep(): Promise<void> {
    if (this.#options.kept === undefined || this.#written + this.#ownBytes === 0) {
      await this.drop();
      return;
    }
    await this.#writer.idle();
    if (this.#writer.isLost) await this.drop();
    else this.#close();
  }

  #close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    closeSync(this.#descriptor);
    if (this.#older !== undefined) closeSync(this.#older.descriptor);
  }
}

/** An older version of a file that comes in. */
interface OlderFile {
  readonly descriptor: number;
  readonly bytes: number;
}

function openOlder(path: string): OlderFile | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined; // gone: the blocks come over the wire
  }
  const found = fstatSync(descriptor);
  if (found.isFile()) return { descriptor, bytes: found.size };
  closeSync(descriptor);
  return undefined;
}

function readSome(descriptor: number, into: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, into, 0, into.length, position, (error, bytes) => {
      if (error === null) resolve(bytes);
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

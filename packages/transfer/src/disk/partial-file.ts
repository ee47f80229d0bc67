import { closeSync, constants, fstatSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import { BasisBlocks } from './basis-blocks.ts';
import { setFacts } from './set-facts.ts';
import type { FileSink } from '../digests/blocks.ts';
import { FileDigests } from '../digests/digests.ts';
import type { Folder } from './folder.ts';
import type { HeldBlocks, HeldFile } from '../passing/held-blocks.ts';
import { partIn } from './hidden.ts';
import type { ResumeSlot } from './resume-store.ts';
import { PartialFileWriter } from './partial-file-writer.ts';
import type { Replaceable } from './replacing.ts';
import { takePlace } from './take-place.ts';
import { writeError } from './write-error.ts';

export interface PartialFileOptions {
  /** Where the part is: in the file system of its final place. */
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
  readonly kept?: ResumeSlot | undefined;
  /** An older version of the file, to take blocks from. @default none */
  readonly older?: { readonly folder: Folder; readonly name: string } | undefined;
  /** Where its blocks are noted that may be handed on, with the number of its entry. @default nowhere */
  readonly held?: { readonly blocks: HeldBlocks; readonly entry: number } | undefined;
}

/**
 * A file on its way in: hidden, this user's alone, and gone unless `commit` gave it its final name, or `keep` left
 * it for the next try.
 */
export class PartialFile implements FileSink {
  readonly basis: BasisBlocks;
  readonly final = 0;
  readonly #options: PartialFileOptions;
  readonly #folder: Folder;
  readonly #file: string;
  readonly #descriptor: number;
  /** What an earlier try left in it, in bytes. */
  readonly #ownBytes: number;
  readonly #writer: PartialFileWriter;
  /** Made when it is needed: most files are small, and digested in one go. */
  #digests: FileDigests | undefined;
  readonly #heldFile: HeldFile | undefined;
  #written = 0;
  #size: number;
  #state: 'open' | 'closed' | 'gone' = 'open';

  /** @throws FilerError `no-space`, `home-not-writable` */
  constructor(options: PartialFileOptions) {
    this.#options = options;
    this.#size = options.size;
    const { kept, folder, older } = options;
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
    this.#heldFile = options.held?.blocks.begin(options.held.entry, this.#path);
    this.#writer = new PartialFileWriter(this.#descriptor, options.name, options.sync, this.#ownBytes);
    this.basis = new BasisBlocks(this.#descriptor, this.#ownBytes, older?.folder.at(older.name));
  }

  get digests(): FileDigests {
    this.#digests ??= new FileDigests();
    return this.#digests;
  }

  resize(size: number): void {
    this.#size = size;
  }

  get #path(): string {
    return this.#folder.at(this.#file);
  }

  async write(block: Buffer, offset: number, free: () => void): Promise<void> {
    await this.#writer.write(block, offset, free);
    this.#written = offset + block.length;
  }

  async writeSame(block: Buffer, offset: number): Promise<void> {
    if (!this.basis.isOwn(offset, block.length)) {
      await this.#writer.write(block, offset, () => undefined);
      await this.#writer.settled();
    }
    this.#written = offset + block.length;
  }

  hold(digest: string, offset: number, bytes: number): void {
    if (this.#heldFile !== undefined) this.#options.held?.blocks.add(digest, this.#heldFile, offset, bytes);
  }

  async settled(): Promise<void> {
    await this.#writer.settled();
  }

  /**
   * Time, permissions, disk, final name, disk again: after that the file is there to stay. The file is gone when
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
      setFacts(this.#descriptor, mode, mtimeNs);
      if (sync) await this.#writer.sync();
      this.#close();
      const finished = { folder: this.#folder, file: this.#file };
      const taken = await takePlace(finished, into, wanted, replaces, this.#options);
      this.#state = 'gone';
      if (sync && taken.hasReplaced) await into.sync();
      else if (sync) await syncName(into, taken.name);
      return taken.name;
    } catch (error) {
      await this.drop();
      throw error instanceof FilerError ? error : writeError(name, error);
    }
  }

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

  /** Leaves what came where there is a place for it. */
  async keep(): Promise<number> {
    if (this.#options.kept === undefined || this.#written + this.#ownBytes === 0) {
      await this.drop();
      return 0;
    }
    await this.#writer.idle();
    if (this.#writer.isLost) {
      await this.drop();
      return 0;
    }
    const { size } = fstatSync(this.#descriptor);
    this.#close();
    return size;
  }

  #close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    closeSync(this.#descriptor);
    this.basis.close();
  }
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

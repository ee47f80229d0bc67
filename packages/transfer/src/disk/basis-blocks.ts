import { closeSync, constants, fstatSync, openSync, read } from 'node:fs';
import { DIGEST_BLOCK_BYTES, systemCode } from '@filer/protocol';
import type { BlockSource } from '../digests/blocks.ts';
import { digestOfBlock } from '../digests/digests.ts';

/** What is on this disk of a file that comes: what an earlier try left of it, and beyond that an older version. */
export class BasisBlocks implements BlockSource {
  readonly #own: number;
  readonly #ownBytes: number;
  readonly #older: OlderFile | undefined;
  #block: Buffer | undefined;

  /**
   * @param own the descriptor of the partial file
   * @param ownBytes what an earlier try left in it
   * @param older the path of an older version
   */
  constructor(own: number, ownBytes: number, older: string | undefined) {
    this.#own = own;
    this.#ownBytes = ownBytes;
    this.#older = older === undefined ? undefined : openOlder(older);
  }

  get bytes(): number {
    return Math.max(this.#ownBytes, this.#older?.bytes ?? 0);
  }

  async has(block: number): Promise<Buffer | undefined> {
    const bytes = Math.min(DIGEST_BLOCK_BYTES, this.bytes - block * DIGEST_BLOCK_BYTES);
    if (bytes <= 0) return undefined;
    const content = await this.read(block, bytes);
    // Lost since, or never written: shorter, and so no block of the file.
    return content === undefined ? undefined : digestOfBlock(content);
  }

  /** Of an older version alone: what an earlier try left is written over while it is read. */
  get readAt(): BlockSource['readAt'] {
    const older = this.#older;
    if (older === undefined) return undefined;
    return (from, bytes) => this.#readFrom(older.descriptor, from, bytes);
  }

  /** @returns fewer bytes where the file has become shorter */
  async read(block: number, bytes: number): Promise<Buffer | undefined> {
    const offset = block * DIGEST_BLOCK_BYTES;
    const from = this.isOwn(offset, bytes) ? this.#own : (this.#older?.descriptor ?? this.#own);
    return await this.#readFrom(from, offset, bytes);
  }

  async #readFrom(from: number, offset: number, bytes: number): Promise<Buffer | undefined> {
    this.#block ??= Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
    try {
      const got = await readSome(from, this.#block.subarray(0, bytes), offset);
      return this.#block.subarray(0, got);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return undefined;
    }
  }

  /** Whether these bytes are those of an earlier try, which are in their place already. */
  isOwn(offset: number, bytes: number): boolean {
    return this.#older === undefined || offset + bytes <= this.#ownBytes;
  }

  close(): void {
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

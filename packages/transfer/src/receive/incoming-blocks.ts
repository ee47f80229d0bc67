import {
  BLOCK_DIGEST_BYTES,
  DIGEST_BLOCK_BYTES,
  FilerError,
  type BasisBlockList,
  type Digests,
  type FileEnd,
} from '@filer/protocol';
import type { FileSink } from '../digests/blocks.ts';
import { digestOfBlock, digestsOfSmall, digestText, EMPTY_DIGESTS } from '../digests/digests.ts';
import { rollingSum } from '../digests/rolling-sum.ts';

/** Answers about the basis that are remembered: a sender asks for the next one while it uses the last. */
const MAX_ANSWERS = 3;

/** The next bytes of a file. */
export interface NextBytes {
  readonly content: Buffer;
  /** What the sender says that the block is which they belong to. */
  readonly block?: string | undefined;
}

export interface BlocksOfFile {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Whether the file may become larger: then only `finish` tells where its last block ends. */
  readonly isGrowing: boolean;
  /** Called with how many bytes more the sink has written. */
  readonly written: (bytes: number) => void;
}

/** Puts the chunks of one stream together to blocks, and hands each to a sink once it is verified. */
export class IncomingBlocks<S extends FileSink = FileSink> {
  readonly sink: S;
  readonly #name: string;
  readonly #isGrowing: boolean;
  readonly #written: (bytes: number) => void;
  #size: number;
  /** Where the open block begins. */
  #verified = 0;
  /** Bytes of the open block that came. */
  #filled = 0;
  /** What its sender says that it is; undefined where only `end` tells. */
  #expected: string | undefined;
  /** What a block that comes in several chunks is put together in. */
  #room: Buffer | undefined;
  /** Rooms that are written, or will be used next. */
  readonly #spare: Buffer[] = [];
  /** Of a file of less than one block, which is the block. */
  #whole: Digests | undefined;
  /** What was said of the basis last. */
  readonly #answers: { readonly first: number; readonly digests: Buffer }[] = [];

  constructor(sink: S, { name, size, isGrowing, written }: BlocksOfFile) {
    this.sink = sink;
    this.#name = name;
    this.#size = size;
    this.#isGrowing = isGrowing;
    this.#written = written;
  }

  /** Bytes that are verified, as far as their sender said what they are, and with the sink. */
  get verified(): number {
    return this.#verified;
  }

  grow(size: number): void {
    this.sink.resize(size);
    this.#size = size;
  }

  /**
   * Takes the next bytes, of which none is beyond the end of the file. Resolves when more may come.
   *
   * @param free called once their memory is no longer needed
   * @returns false when a block is not what its sender said: the stream is over
   * @throws FilerError what the sink throws
   */
  async append({ content, block }: NextBytes, free: () => void): Promise<boolean> {
    if (this.#expected !== undefined && block !== undefined && block !== this.#expected) return false;
    this.#expected ??= block;
    if (this.#filled === 0 && this.#endsBlock(content.length)) return await this.#take(content, free);
    for (let from = 0; from < content.length;) {
      this.#room ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
      const bytes = content.copy(this.#room, this.#filled, from);
      from += bytes;
      this.#filled += bytes;
      if (from === content.length) free();
      if (this.#endsBlock(this.#filled) && !(await this.#takeRoom())) return false;
    }
    return true;
  }

  #endsBlock(filled: number): boolean {
    if (filled === DIGEST_BLOCK_BYTES) return true;
    return !this.#isGrowing && this.#verified + filled === this.#size;
  }

  async #takeRoom(): Promise<boolean> {
    const [room, filled] = [this.#room, this.#filled];
    if (room === undefined) return true;
    this.#room = undefined;
    this.#filled = 0;
    return await this.#take(room.subarray(0, filled), () => void this.#spare.push(room));
  }

  /** @returns whether the block is what its sender said */
  async #take(block: Buffer, free: () => void): Promise<boolean> {
    const [offset, expected] = [this.#verified, this.#expected];
    this.#expected = undefined;
    if (offset < this.sink.final) return await this.#compare(block, expected, free);
    const digest = this.#digest(block);
    if (expected !== undefined && digest !== expected) return false;
    this.#verified += block.length;
    const { length } = block;
    await this.sink.write(block, offset, () => {
      free();
      this.#written(length);
      this.sink.hold?.(digest, offset, length);
    });
    return true;
  }

  /** A block that was written for good comes again. @throws FilerError `source-changed` */
  async #compare(block: Buffer, expected: string | undefined, free: () => void): Promise<boolean> {
    const digest = digestOfBlock(block);
    free();
    if (expected !== undefined && digestText(digest) !== expected) return false;
    const written = await this.sink.basis.has(this.#verified / DIGEST_BLOCK_BYTES);
    if (written?.equals(digest) !== true) throw writtenChanged();
    this.#verified += block.length;
    return true;
  }

  #digest(block: Buffer): string {
    const isAll = block.length === this.#size && block.length < DIGEST_BLOCK_BYTES;
    if (!isAll) return digestText(this.sink.digests.addBlock(block));
    this.#whole = digestsOfSmall(block);
    return this.#whole.digest;
  }

  /**
   * The digests of blocks that are there already, one after the other.
   *
   * @returns those of at most `count` from `first` on; fewer where the basis ends, or cannot be read
   */
  async basis(first: number, count: number): Promise<Buffer> {
    const found: Buffer[] = [];
    for (let block = first; block < first + count; block++) {
      const digest = await this.sink.basis.has(block);
      if (digest === undefined) break;
      found.push(digest);
    }
    const digests = Buffer.concat(found);
    this.#answers.push({ first, digests });
    if (this.#answers.length > MAX_ANSWERS) this.#answers.shift();
    return digests;
  }

  /** The same of whole blocks alone, with their rolling sums. @returns undefined where they are in the place of the file's alone */
  async basisWithSums(first: number, count: number): Promise<BasisBlockList | undefined> {
    const { readAt } = this.sink.basis;
    if (readAt === undefined) return undefined;
    const [digests, sums]: [Buffer[], number[]] = [[], []];
    for (let block = first; block < first + count; block++) {
      const content = await readAt(block * DIGEST_BLOCK_BYTES, DIGEST_BLOCK_BYTES);
      if (content?.length !== DIGEST_BLOCK_BYTES) break;
      digests.push(digestOfBlock(content));
      sums.push(rollingSum(content));
    }
    return { digests: Buffer.concat(digests), sums };
  }

  /**
   * Takes the next block from another place of the basis.
   *
   * @param expected its digest
   * @returns false when it is not what its sender says: the basis cannot be used again
   * @throws FilerError what the sink throws
   */
  async moved(bytes: number, from: number, expected: string | undefined): Promise<boolean> {
    const offset = this.#verified;
    await this.sink.settled();
    const content = await this.sink.basis.readAt?.(from, bytes);
    if (content?.length !== bytes) return false;
    const digest = digestText(this.sink.digests.addBlock(content));
    if (digest !== expected) return false;
    await this.sink.writeSame(content, offset);
    this.#written(bytes);
    this.sink.hold?.(digest, offset, bytes);
    this.#verified += bytes;
    return true;
  }

  /**
   * Takes the next block from the basis.
   *
   * @returns false when it is not what was answered about it: the basis cannot be used again
   * @throws FilerError what the sink throws
   */
  async same(bytes: number): Promise<boolean> {
    const offset = this.#verified;
    if (offset + bytes > this.sink.final) {
      await this.sink.settled();
      const block = offset / DIGEST_BLOCK_BYTES;
      const content = await this.sink.basis.read(block, bytes);
      if (content?.length !== bytes) return false;
      const answered = this.#answered(block);
      const digest = this.sink.digests.addBlock(content);
      // Where it was never asked for, the digest of the whole file judges.
      if (answered?.equals(digest) === false) return false;
      const { length } = content;
      await this.sink.writeSame(content, offset);
      this.#written(length);
      this.sink.hold?.(digestText(digest), offset, length);
    }
    this.#verified += bytes;
    return true;
  }

  #answered(block: number): Buffer | undefined {
    for (const { first, digests } of this.#answers) {
      const at = (block - first) * BLOCK_DIGEST_BYTES;
      if (at >= 0 && at < digests.length) return digests.subarray(at, at + BLOCK_DIGEST_BYTES);
    }
    return undefined;
  }

  /**
   * Whether what came is the whole file, and is written.
   *
   * @throws FilerError `verification-failed`, what the sink throws
   */
  async finish(end: FileEnd): Promise<Digests> {
    const [name, size] = [JSON.stringify(this.#name), this.#size];
    const came = this.#verified + this.#filled;
    if (came !== size || end.size !== size) {
      await this.sink.settled();
      throw new FilerError(
        'verification-failed',
        `${name} came with ${came} bytes instead of ${size}: send it again`,
      );
    }
    const isVerified = await this.#takeRoom(); // where only `end` tells that this is the last block
    await this.sink.settled();
    const found = size === 0 ? EMPTY_DIGESTS : (this.#whole ?? this.sink.digests.finish());
    if (isVerified && found.digest === end.digest && found.blocks === end.blocks) return found;
    throw new FilerError(
      'verification-failed',
      `${name} was altered on its way (its digest is not the sender's): send it again`,
    );
  }
}

/** What was written for good is not the beginning of the file any more. */
export function writtenChanged(): FilerError {
  return new FilerError(
    'source-changed',
    'the file was changed after its beginning had been written: delete the output and fetch it again',
  );
}

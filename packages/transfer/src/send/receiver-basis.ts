import { BLOCK_DIGEST_BYTES, DIGEST_BLOCK_BYTES, type BasisBlockList } from '@filer/protocol';
import { digestText } from '../digests/digests.ts';
import { MovedBlocks } from './moved-blocks.ts';
import type { ReadBlock } from './shared-reads.ts';

/** Blocks that are compared for one answer: the next ones are asked for meanwhile. */
const BLOCKS_AT_ONCE = 128;

/** So many in a row that are not in their place may be in another one. */
const MOVED_AFTER = 3;

/**
 * Asks for digests of the basis that the receiver has.
 *
 * @param sums whether rolling sums are wanted, too
 * @returns those of at most `count` blocks from `first` on; fewer where the basis ends
 */
export type AskBasis = (first: number, count: number, sums: boolean) => Promise<BasisBlockList>;

/** Where in the basis a block is, as `same` says it: with nothing where it is in the place of the file. */
export interface BasisPlace {
  readonly from?: number;
  readonly block?: string;
}

/** What the receiver has of a file: which of its blocks need not go, wherever they are there. */
export class ReceiverBasis {
  readonly #ask: AskBasis;
  readonly #read: ReadBlock;
  /** Size of the file: a basis may have more, which is asked for only where blocks moved. */
  readonly #end: number;
  #first = 0;
  #digests: Buffer | undefined;
  #next: Promise<Buffer>;
  /** Blocks in a row that are not in their place. */
  #differing = 0;
  #moved: MovedBlocks | undefined;

  /** @param read reads the file */
  constructor(ask: AskBasis, read: ReadBlock, end: number) {
    this.#ask = ask;
    this.#read = read;
    this.#end = end;
    this.#next = this.#askFrom(0);
  }

  /** Whether blocks are looked for in all of it. */
  get isSeeking(): boolean {
    return this.#moved?.isOver === false;
  }

  /**
   * The digest of the block of the basis in the place of one of the file. For one caller at a time, in their order.
   *
   * @returns undefined where the basis has ended, or blocks are looked for in all of it
   */
  async digestOf(block: number): Promise<Buffer | undefined> {
    if (this.isSeeking) return undefined;
    if (this.#digests === undefined || block >= this.#first + BLOCKS_AT_ONCE) {
      const follows = this.#digests === undefined ? block === 0 : block === this.#first + BLOCKS_AT_ONCE;
      if (!follows) this.#next = this.#askFrom(block);
      this.#first = block;
      this.#digests = await this.#next;
      const isWhole = this.#digests.length === BLOCKS_AT_ONCE * BLOCK_DIGEST_BYTES;
      this.#next = isWhole ? this.#askFrom(this.#first + BLOCKS_AT_ONCE) : Promise.resolve(NO_DIGESTS);
    }
    const at = (block - this.#first) * BLOCK_DIGEST_BYTES;
    const digest = this.#digests.subarray(at, at + BLOCK_DIGEST_BYTES);
    return digest.length === BLOCK_DIGEST_BYTES ? digest : undefined;
  }

  /** @param digest of the block of the file. @returns undefined where it has to go */
  async placeOf(offset: number, bytes: number, digest: Buffer): Promise<BasisPlace | undefined> {
    const there = await this.digestOf(offset / DIGEST_BLOCK_BYTES);
    if (there?.equals(digest) === true) {
      this.#differing = 0;
      return {};
    }
    // What grows has no end to look up to.
    if (++this.#differing <= MOVED_AFTER || this.#end === Infinity) return undefined;
    this.#moved ??= new MovedBlocks((first, count) => this.#ask(first, count, true), this.#read, offset);
    const from = await this.#moved.placeOf(offset, bytes, this.#end);
    return from === undefined ? undefined : { from, block: digestText(digest) };
  }

  #askFrom(first: number): Promise<Buffer> {
    const count = Math.min(BLOCKS_AT_ONCE, Math.ceil(this.#end / DIGEST_BLOCK_BYTES) - first);
    if (count <= 0) return Promise.resolve(NO_DIGESTS);
    const digests = this.#ask(first, count, false).then((answer) => answer.digests);
    digests.catch(() => undefined); // told when it is its turn
    return digests;
  }
}

const NO_DIGESTS = Buffer.alloc(0);

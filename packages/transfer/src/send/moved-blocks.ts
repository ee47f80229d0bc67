import { BLOCK_DIGEST_BYTES, DIGEST_BLOCK_BYTES, type BasisBlockList } from '@filer/protocol';
import { digestOfBlock } from '../digests/digests.ts';
import { SoughtSums } from '../digests/rolling-sum.ts';
import type { ReadBlock } from './shared-reads.ts';

/** Blocks of the basis that are asked for at once. */
const BLOCKS_AT_ONCE = 128;

/** So far beyond its place in the file a block of the basis is looked for: what was taken out before it may have had. */
const BLOCKS_AHEAD = 256;

/** What was put in before a block of the basis may be found so far before its place. */
const BLOCKS_BEFORE = 16;

/** Where so much in a row is in no place of the basis, in bytes, the rest is sent without looking: that costs processor time. */
const MAX_SOUGHT_BYTES = 128 * 1024 * 1024;

/** Blocks of the basis that are remembered behind the place that is sent: 16 GiB, with some 3 MB for digests and sums. */
const MAX_BEHIND = 16_384;

/** Blocks that have the sum of one of the basis and are another: more come of a receiver that makes its sums up. */
const MAX_MISTAKEN = 64;

/** @returns what the receiver says of at most `count` blocks from `first` on; fewer where the basis ends */
type AskSums = (first: number, count: number) => Promise<BasisBlockList>;

/** A part of the file that is in the basis, in one piece. */
interface Run {
  readonly start: number;
  end: number;
  /** What is added to a place in the file for that in the basis. */
  readonly shift: number;
}

/**
 * Finds what the receiver has in another place of its basis, because something was put in or taken out before it. Of the blocks
 * of the basis it knows digests and rolling sums: a window of the file that has the sum of one is digested, and where it is that
 * block, those that follow are compared with the next blocks of the basis, without looking at every byte.
 */
export class MovedBlocks {
  readonly #ask: AskSums;
  readonly #read: ReadBlock;
  readonly #sought = new SoughtSums();
  /** Of the blocks of the basis from `#first` on. */
  readonly #digests: Buffer[] = [];
  #first: number;
  readonly #behind: number;
  /** Whether the basis ends with them. */
  #hasAll = false;
  #run: Run | undefined;
  /** No window that begins before is one of the basis. */
  #soughtTo = 0;
  #soughtInVain = 0;
  #mistaken = 0;
  /** Whether nothing more is looked for. */
  isOver = false;
  #room: Buffer | undefined;

  /**
   * @param read reads the file
   * @param from where the looking begins
   * @param behind blocks of the basis before the place that is sent, that are remembered
   */
  constructor(ask: AskSums, read: ReadBlock, from: number, behind = MAX_BEHIND) {
    this.#behind = behind;
    this.#ask = ask;
    this.#read = read;
    this.#soughtTo = from;
    this.#first = Math.max(0, Math.floor(from / DIGEST_BLOCK_BYTES) - BLOCKS_BEFORE);
  }

  get knownBlocks(): number {
    return this.#digests.length;
  }

  /** Where a block of the file is in the basis. For blocks in their order. @param end of the file */
  async placeOf(offset: number, bytes: number, end: number): Promise<number | undefined> {
    this.#forgetBehind(Math.floor(offset / DIGEST_BLOCK_BYTES));
    while (!this.isOver) {
      const run = this.#run ?? (await this.#seek(offset, offset + bytes, end));
      if (run === undefined) return undefined;
      while (run.end < offset + bytes && (await this.#extend(run, end)));
      if (run.start <= offset && run.end >= offset + bytes) return offset + run.shift;
      // It begins in this block, and is of use from the next one on.
      if (run.start > offset && run.end >= offset + bytes) return undefined;
      this.#run = undefined;
      this.#soughtTo = Math.max(this.#soughtTo, run.end);
      if (this.#soughtTo >= offset + bytes) return undefined;
    }
    return undefined;
  }

  /** Looks for a window that begins before `until`. */
  async #seek(offset: number, until: number, end: number): Promise<Run | undefined> {
    await this.#know(Math.floor(until / DIGEST_BLOCK_BYTES) + BLOCKS_AHEAD);
    let from = Math.max(this.#soughtTo, offset);
    const last = Math.min(until, end - DIGEST_BLOCK_BYTES + 1);
    if (this.isOver || from >= last) return undefined;
    this.#room ??= Buffer.allocUnsafeSlow(2 * DIGEST_BLOCK_BYTES);
    const wanted = last - 1 + DIGEST_BLOCK_BYTES - from;
    const content = this.#read(this.#room, from, wanted);
    if (content.length < wanted) return undefined;
    const base = from;
    for (let found = this.#sought.find(content, 0, last - base); found !== undefined;) {
      const at = base + found.at;
      const window = content.subarray(found.at, found.at + DIGEST_BLOCK_BYTES);
      if (this.#digestOf(found.block)?.equals(digestOfBlock(window)) === true) {
        this.#soughtInVain = 0;
        this.#run = {
          start: at,
          end: at + DIGEST_BLOCK_BYTES,
          shift: found.block * DIGEST_BLOCK_BYTES - at,
        };
        return this.#run;
      }
      if (++this.#mistaken > MAX_MISTAKEN) this.isOver = true;
      from = at + 1;
      if (this.isOver || from >= last) break;
      found = this.#sought.find(content, from - base, last - base);
    }
    this.#soughtInVain += last - base;
    this.#soughtTo = last;
    if (this.#soughtInVain > MAX_SOUGHT_BYTES) this.isOver = true;
    return undefined;
  }

  /** @returns whether the block of the basis that follows follows in the file, too */
  async #extend(run: Run, end: number): Promise<boolean> {
    const block = (run.end + run.shift) / DIGEST_BLOCK_BYTES;
    await this.#know(block);
    const there = this.#digestOf(block);
    if (there === undefined || run.end + DIGEST_BLOCK_BYTES > end) return false;
    this.#room ??= Buffer.allocUnsafeSlow(2 * DIGEST_BLOCK_BYTES);
    const content = this.#read(this.#room.subarray(0, DIGEST_BLOCK_BYTES), run.end, DIGEST_BLOCK_BYTES);
    if (content.length < DIGEST_BLOCK_BYTES || !digestOfBlock(content).equals(there)) return false;
    run.end += DIGEST_BLOCK_BYTES;
    return true;
  }

  /** Asks for blocks of the basis up to one, or its end. */
  async #know(block: number): Promise<void> {
    while (!this.#hasAll && this.#first + this.#digests.length <= block) {
      const first = this.#first + this.#digests.length;
      const { digests, sums } = await this.#ask(first, BLOCKS_AT_ONCE);
      if (sums === undefined) {
        this.#hasAll = true;
        this.isOver ||= this.#digests.length === 0;
        return;
      }
      for (const [n, sum] of sums.entries()) {
        this.#sought.add(sum, this.#first + this.#digests.length);
        this.#digests.push(digests.subarray(n * BLOCK_DIGEST_BYTES, (n + 1) * BLOCK_DIGEST_BYTES));
      }
      this.#hasAll = sums.length < BLOCKS_AT_ONCE;
    }
  }

  #forgetBehind(block: number): void {
    const run = this.#run;
    const used = run === undefined ? block : Math.min(block, (run.end + run.shift) / DIGEST_BLOCK_BYTES);
    const forgotten = used - this.#behind - this.#first;
    if (forgotten <= this.#behind) return;
    this.#digests.splice(0, forgotten);
    this.#first += forgotten;
    this.#sought.forgetBefore(this.#first);
  }

  #digestOf(block: number): Buffer | undefined {
    return this.#digests[block - this.#first];
  }
}

import { DIGEST_BLOCK_BYTES, type Digests } from '@filer/protocol';
import { BlockList, digestOfBlock, FileDigests } from '../digests/digests.ts';
import type { Piece, Reader } from './reader.ts';
import { readSmallFile, type SmallFile } from './small-file.ts';
import { identityNow, type Source } from './source.ts';

/** What is kept of small files that were read, in bytes of content: about what recipients are apart. */
const MAX_SMALL_BYTES = 8 * 1024 * 1024;
/** What one of them counts beside its content. */
const SMALL_OVERHEAD_BYTES = 1024;

/** Files whose digests are kept for recipients that come later. */
const MAX_FINISHED = 10_000;

/** Reads a block of a file from where it is. @returns what it read, in `into` */
export type ReadBlock = (into: Buffer, offset: number, bytes: number) => Buffer;

/**
 * The sources of one job, read and digested once for all its recipients: the recipient that is ahead reads a block, and the
 * others take it from the window. One that has fallen behind the window reads for itself.
 */
export class SharedReads {
  readonly #files = new Map<string, SharedFile>();
  readonly #finished = new Map<string, Digests>();
  readonly #small = new Map<string, SmallFile>();
  #smallBytes = 0;
  /** Content that was read from the disk, in bytes. */
  bytesRead = 0;

  /**
   * @param identity of the file as the recipient's sender opened it, with what of it goes: one that changes is another file
   * @param read reads from what that sender opened
   */
  reader(identity: string, size: number, read: ReadBlock): Reader & Disposable {
    const file = this.#files.get(identity) ?? new SharedFile(size, this.#finished.get(identity));
    this.#files.set(identity, file);
    file.readers++;
    const counted: ReadBlock = (into, offset, bytes) => {
      const content = read(into, offset, bytes);
      this.bytesRead += content.length;
      return content;
    };
    return {
      next: (own, offset) => file.piece(own, offset, counted),
      digestAt: (offset) => file.digestAt(offset),
      digests: () => file.digests,
      [Symbol.dispose]: () => this.#leave(identity, file),
    };
  }

  #leave(identity: string, file: SharedFile): void {
    if (--file.readers > 0) return;
    this.#files.delete(identity);
    window.drop(file);
    const { finished } = file;
    if (finished === undefined) return;
    this.#finished.set(identity, finished);
    const [oldest] = this.#finished.size > MAX_FINISHED ? this.#finished.keys() : [];
    if (oldest !== undefined) this.#finished.delete(oldest);
  }

  /** @see readSmallFile */
  small(source: Source): SmallFile | undefined {
    const { file } = source;
    const kept = this.#small.get(file);
    if (kept !== undefined && identityNow(source) === kept.identity) return kept;
    if (kept !== undefined) this.#forget(file, kept);
    const small = readSmallFile(source);
    if (small === undefined) return undefined;
    this.bytesRead += small.size;
    this.#small.set(file, small);
    this.#smallBytes += small.size + SMALL_OVERHEAD_BYTES;
    for (const [oldest, each] of this.#small) {
      if (this.#smallBytes <= MAX_SMALL_BYTES) break;
      this.#forget(oldest, each);
    }
    return small;
  }

  #forget(file: string, { size }: SmallFile): void {
    this.#small.delete(file);
    this.#smallBytes -= size + SMALL_OVERHEAD_BYTES;
  }
}

/** One source, while there are recipients that it goes to. */
class SharedFile {
  readonly #size: number;
  readonly #digests = new FileDigests();
  readonly #list = new BlockList();
  /** Blocks that were read and digested. */
  #head = 0;
  finished: Digests | undefined;
  readers = 0;

  /** @param finished of a file that was read before: then everyone reads for itself, and nothing is digested */
  constructor(size: number, finished: Digests | undefined) {
    this.#size = size;
    this.finished = finished;
    if (finished !== undefined) this.#head = Infinity;
  }

  /** Of all of it, for one who has taken every piece. */
  get digests(): Digests {
    this.finished ??= this.#digests.finish();
    return this.finished;
  }

  digestAt(offset: number): Buffer | undefined {
    return this.#list.at(offset / DIGEST_BLOCK_BYTES);
  }

  /**
   * @param own memory of the caller, one block, for a piece that is no longer or not to be in the window
   * @returns undefined when the file is shorter than it was
   */
  piece(own: Buffer, offset: number, read: ReadBlock): Piece | undefined {
    const block = offset / DIGEST_BLOCK_BYTES;
    const bytes = Math.min(DIGEST_BLOCK_BYTES, this.#size - offset);
    const there = window.find(this, block);
    if (there !== undefined) return taken(there);
    if (block !== this.#head) {
      const content = read(own, offset, bytes);
      if (content.length < bytes) return undefined;
      return { bytes, content, blockDigest: () => digestOfBlock(content), release: () => undefined };
    }
    const room = window.room();
    const content = read(room ?? own, offset, bytes);
    if (content.length < bytes) {
      if (room !== undefined) window.giveBack(room);
      return undefined;
    }
    const digest = this.#digests.addBlock(content);
    this.#list.add(digest);
    this.#head++;
    if (room !== undefined) return taken(window.put({ file: this, block, content, room, digest, users: 0 }));
    return { bytes, content, blockDigest: () => digest, release: () => undefined };
  }
}

function taken(piece: WindowPiece): Piece {
  piece.users++;
  const { content, digest } = piece;
  return { bytes: content.length, content, blockDigest: () => digest, release: () => void piece.users-- };
}

/** Blocks of 1 MiB that are kept for those who come behind. */
const MAX_PIECES = 16;

/** One block of a file, in memory that is used again. */
interface WindowPiece {
  /** Whose it is. */
  readonly file: object;
  readonly block: number;
  readonly content: Buffer;
  readonly room: Buffer;
  readonly digest: Buffer;
  /** How many have it on its way: until none has, its memory stays as it is. */
  users: number;
}

/** The blocks of shared files that were read last, whichever files they are of. */
class PieceWindow {
  /** Oldest first. */
  #pieces: WindowPiece[] = [];
  #spare: Buffer[] = [];
  /** Rooms that were made and not given up: taken, spare, or in a piece. */
  #rooms = 0;

  find(file: object, block: number): WindowPiece | undefined {
    return this.#pieces.findLast((piece) => piece.file === file && piece.block === block);
  }

  /** @returns memory for one more block, or undefined while everything is on its way: no one waits for the slow */
  room(): Buffer | undefined {
    const spare = this.#spare.pop();
    if (spare !== undefined) return spare;
    if (this.#rooms < MAX_PIECES) {
      this.#rooms++;
      return Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
    }
    const oldest = this.#pieces.findIndex(({ users }) => users === 0);
    return oldest < 0 ? undefined : this.#pieces.splice(oldest, 1)[0]?.room;
  }

  giveBack(room: Buffer): void {
    this.#spare.push(room);
  }

  put(piece: WindowPiece): WindowPiece {
    this.#pieces.push(piece);
    return piece;
  }

  /** No one needs the blocks of this file any more. */
  drop(file: object): void {
    for (const piece of this.#pieces) if (piece.file === file) this.#spare.push(piece.room);
    this.#pieces = this.#pieces.filter((piece) => piece.file !== file);
    if (this.#pieces.length > 0) return;
    this.#rooms -= this.#spare.length;
    this.#spare = [];
  }
}

/** The process's own: whatever the number of jobs and recipients, at most this is held for them. */
const window = new PieceWindow();

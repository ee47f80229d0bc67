import { DIGEST_BLOCK_BYTES } from '@filer/protocol';

/** Blocks of 1 MiB that are kept for those who come behind. */
const MAX_PIECES = 16;

/** One block of a file, in memory that is used again. */
export interface WindowPiece {
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
export class PieceWindow {
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

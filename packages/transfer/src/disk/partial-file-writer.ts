import { fdatasync, fsync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { FilerError } from '@filer/protocol';
import { writeError } from './write-error.ts';

const syncAll = promisify(fsync);
const syncData = promisify(fdatasync);

/** Writes that may be on their way to a slow disk while the next one comes in. */
const MAX_WRITES = 2;

/**
 * A write that took longer, in ms, waited for the disk. Handing a copy into the page cache (0.1 ms) to another
 * thread costs more than the copy; waiting for a disk on this thread would hold all else that it does.
 */
const SLOW_WRITE_MS = 20;

/** One write, at most: for larger ones ext4 looks for large pages in its cache, which takes four times as long. */
const MAX_WRITE_BYTES = 256 * 1024;

/** So much is brought to the disk at a time while more comes in, so that little is left to wait for at the end. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

/** A piece of zeros of this size becomes a hole, so that sparse files stay sparse; a shorter one from half of it on. */
const HOLE_BYTES = 128 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);

/** Writes one part and brings it to the disk. The first error counts: after it the part cannot be used again. */
export class PartialFileWriter {
  readonly #descriptor: number;
  readonly #name: string;
  readonly #isSynced: boolean;
  readonly #freshFrom: number;
  /** Writes on their way, oldest first. They never reject: `#error` tells. */
  readonly #writes: Promise<void>[] = [];
  #syncing: Promise<void> | undefined;
  #bytesSinceSync = 0;
  /** Whether zeros were left out: the file may be shorter than what was written. */
  hasHoles = false;
  #isSlow = false;
  #error: FilerError | undefined;

  /**
   * @param name for messages
   * @param isSynced whether it will be synced: then that begins while it is written
   * @param freshFrom where nothing was written before: zeros from there on are left out, and the file may end before them
   */
  constructor(descriptor: number, name: string, isSynced: boolean, freshFrom: number) {
    this.#descriptor = descriptor;
    this.#name = name;
    this.#isSynced = isSynced;
    this.#freshFrom = freshFrom;
  }

  /**
   * Resolves when the next bytes may come: a slow disk holds the caller, not the process.
   *
   * @param content belongs to the writer until `onWritten` is called
   * @throws FilerError `no-space`, `home-not-writable`, for this or an earlier write
   */
  async write(content: Buffer, position: number, onWritten: () => void): Promise<void> {
    const pieces = position >= this.#freshFrom ? withoutHoles(content) : [content];
    if (pieces[0]?.length !== content.length) this.hasHoles = true;
    const placeOf = (piece: Buffer): number => position + piece.byteOffset - content.byteOffset;
    if (this.#isSlow) {
      const written = pieces.map((piece) => this.#writeElsewhere(piece, placeOf(piece)));
      this.#writes.push(Promise.all(written).then(onWritten));
      if (this.#writes.length >= MAX_WRITES) await this.#writes.shift();
    } else {
      for (const piece of pieces) this.#writeHere(piece, placeOf(piece));
      onWritten();
    }
    this.#failIfLost();
    this.#bytesSinceSync += content.length;
    if (this.#isSynced && this.#syncing === undefined && this.#bytesSinceSync >= SYNC_EVERY_BYTES) {
      this.#bytesSinceSync = 0;
      this.#syncing = this.#syncSoFar();
    }
  }

  #writeHere(content: Buffer, position: number): void {
    const startedAt = performance.now();
    try {
      // A full disk shows first as a short write.
      for (let at = 0; at < content.length;) {
        const bytes = Math.min(MAX_WRITE_BYTES, content.length - at);
        at += writeSync(this.#descriptor, content, at, bytes, position + at);
      }
    } catch (error) {
      this.#error ??= writeError(this.#name, error);
    }
    this.#isSlow = performance.now() - startedAt > SLOW_WRITE_MS;
  }

  async #writeElsewhere(content: Buffer, position: number): Promise<void> {
    const startedAt = performance.now();
    try {
      for (let at = 0; at < content.length;) {
        const piece = content.subarray(at, at + MAX_WRITE_BYTES);
        at += await writeSome(this.#descriptor, piece, position + at);
      }
    } catch (error) {
      this.#error ??= writeError(this.#name, error);
    }
    this.#isSlow = performance.now() - startedAt > SLOW_WRITE_MS;
  }

  async #syncSoFar(): Promise<void> {
    try {
      await syncData(this.#descriptor);
    } catch (error) {
      // It may have dropped the bytes, and would succeed the second time.
      this.#error ??= writeError(this.#name, error);
    }
    this.#syncing = undefined;
  }

  /** Resolves when all that was begun has ended. @throws FilerError that of an earlier write */
  async settled(): Promise<void> {
    await this.idle();
    this.#failIfLost();
  }

  /** The same, whatever became of it: the descriptor may be closed after it. */
  async idle(): Promise<void> {
    await Promise.all([...this.#writes.splice(0), this.#syncing]);
  }

  /** Brings all of it to the disk, its size, time and permissions too. Once: see `#syncSoFar`. */
  async sync(): Promise<void> {
    await this.settled();
    await syncAll(this.#descriptor);
  }

  /** Whether what was written may not all be there: after a failed sync a file even reads well, and is not safe. */
  get isLost(): boolean {
    return this.#error !== undefined;
  }

  #failIfLost(): void {
    if (this.#error !== undefined) throw this.#error;
  }
}

/** What is left of some bytes without the zeros that become holes, in order. */
function withoutHoles(content: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < content.length; at += HOLE_BYTES) {
    const end = Math.min(at + HOLE_BYTES, content.length);
    if (end - at < HOLE_BYTES / 2 || !content.subarray(at, end).equals(ZEROS.subarray(0, end - at))) continue;
    if (at > from) pieces.push(content.subarray(from, at));
    from = end;
  }
  if (from < content.length) pieces.push(content.subarray(from));
  return pieces;
}

function writeSome(descriptor: number, content: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, content, 0, content.length, position, (error, written) => {
      if (error === null) resolve(written);
      else reject(error);
    });
  });
}

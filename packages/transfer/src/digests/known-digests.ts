import { close, constants, fstat, open, read, statSync, type BigIntStats } from 'node:fs';
import { promisify } from 'node:util';
import { DIGEST_BLOCK_BYTES, type Digests } from '@filer/protocol';
import { FileDigests } from './digests.ts';
import { isOwn } from '../disk/own-files.ts';
import { endsAt } from '../send/unsized.ts';

const [openFile, closeFile] = [promisify(open), promisify(close)];

/** A file that was changed so shortly before it was read may change again without its times telling. */
const UNTRUSTED_MS = 2_000;

/** Times are set to the microsecond, and rounded on the way. */
const TIME_STEP_NS = 2_000n;

/** What is remembered where nothing outlives the process: some 30 MB. */
const MAX_IN_MEMORY = 100_000;

/** What is remembered of a file's content. */
export interface KnownDigest extends Digests {
  /** Whether this process or an earlier one brought this very content to the disk. */
  readonly synced: boolean;
}

/** Where digests are kept, by what `identityOf` gives for their files. Neither method throws or waits. */
export interface DigestShelf {
  find(identity: string): KnownDigest | undefined;
  keep(identity: string, known: KnownDigest): void;
  /** Does something that looks for many, and waits for nothing. @default each look-up is for itself */
  together?<T>(work: () => T): T;
}

/**
 * What a file is, in one word: `dev:ino:size:mtimeNs:ctimeNs`. Its content cannot change and leave this the same,
 * unless it does so within a tick of the clock.
 */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** The same without the file system's number, which another mount may change: `ino:size:mtimeNs:ctimeNs`. */
export function versionOf(identity: string): string {
  return identity.slice(identity.indexOf(':') + 1);
}

/** Digests of files as they were read or written, so that they need not be read again. */
export class KnownDigests {
  readonly #shelf: DigestShelf;

  /** @param shelf whose life is its owner's affair. @default memory, for as long as this object lives */
  constructor(shelf: DigestShelf = new DigestsInMemory()) {
    this.#shelf = shelf;
  }

  /** @param identity as `identityOf` gives it, of the file as it is now */
  find(identity: string): KnownDigest | undefined {
    return this.#shelf.find(identity);
  }

  /** Does something that looks for many, and waits for nothing. */
  together<T>(work: () => T): T {
    return this.#shelf.together === undefined ? work() : this.#shelf.together(work);
  }

  /**
   * Remembers a file that was read.
   *
   * @param identity of the file before and after it was read
   * @param readAt when it began to be read, ms since the epoch
   */
  keepRead(identity: string, { digest, blocks }: Digests, readAt: number): void {
    const ctimeNs = BigInt(identity.slice(identity.lastIndexOf(':') + 1));
    if (readAt - Number(ctimeNs / 1_000_000n) < UNTRUSTED_MS) return;
    this.#shelf.keep(identity, { digest, blocks, synced: false });
  }

  /**
   * Remembers a file that this process wrote under a hidden name, gave this modification time, and put in place.
   *
   * Its ctime is of this moment, so that alone cannot tell a file that somebody wrote to since. Its mtime can: it
   * is older, and a write to the file sets it to now. What is as new as that is not remembered.
   *
   * @param stats as it is in place
   * @param mtimeNs what it was given
   */
  keepWritten(stats: BigIntStats, mtimeNs: bigint, size: number, known: KnownDigest): void {
    const off = stats.mtimeNs - mtimeNs;
    const isOurs = stats.isFile() && Number(stats.size) === size && off < TIME_STEP_NS && -off < TIME_STEP_NS;
    if (!isOurs || Date.now() - Number(stats.mtimeNs / 1_000_000n) < UNTRUSTED_MS) return;
    this.#shelf.keep(identityOf(stats), known);
  }

  /** A file that is remembered was brought to the disk. */
  keepSynced(identity: string): void {
    const known = this.#shelf.find(identity);
    if (known !== undefined) this.#shelf.keep(identity, { ...known, synced: true });
  }
}

/** The longest unused are forgotten. */
class DigestsInMemory implements DigestShelf {
  readonly #digests = new Map<string, KnownDigest>();

  find(identity: string): KnownDigest | undefined {
    const known = this.#digests.get(identity);
    if (known === undefined) return undefined;
    this.#digests.delete(identity);
    this.#digests.set(identity, known);
    return known;
  }

  keep(identity: string, known: KnownDigest): void {
    this.#digests.set(identity, known);
    const [oldest] = this.#digests.keys();
    if (this.#digests.size > MAX_IN_MEMORY && oldest !== undefined) this.#digests.delete(oldest);
  }
}

/** A file as it was read. */
export interface ReadFile extends KnownDigest {
  readonly identity: string;
  readonly size: number;
}

export interface ReadingOptions {
  /** Ends the reading. @default nothing does */
  readonly signal?: AbortSignal | undefined;
  /** Gets the digest of each block, in order. @default no one does */
  readonly onBlock?: ((digest: Buffer) => void) | undefined;
}

/**
 * Reads a regular file for its digests.
 *
 * @param flags for opening it beside reading
 * @param known where they are remembered
 * @returns undefined when it changed while it was read, does not end where its size says, is no regular file, is
 *   a file that this program keeps for itself, or the reading was ended
 * @throws a system error
 */
export async function readDigests(
  path: string,
  flags: number,
  known: KnownDigests | undefined,
  { signal, onBlock }: ReadingOptions = {},
): Promise<ReadFile | undefined> {
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (there !== undefined && isOwn(there)) return undefined;
  const descriptor = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  try {
    const readAt = Date.now();
    const before = await statsOf(descriptor);
    if (!before.isFile()) return undefined;
    const identity = identityOf(before);
    const size = Number(before.size);
    const digests = new FileDigests();
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(DIGEST_BLOCK_BYTES, size)));
    for (let at = 0; at < size;) {
      const block = buffer.subarray(0, Math.min(DIGEST_BLOCK_BYTES, size - at));
      if (!(await fill(descriptor, block, at)) || signal?.aborted === true) return undefined;
      if (onBlock === undefined) digests.update(block);
      else onBlock(digests.addBlock(block));
      at += block.length;
    }
    if (!endsAt(descriptor, size) || identityOf(await statsOf(descriptor)) !== identity) return undefined;
    const found = digests.finish();
    known?.keepRead(identity, found, readAt);
    return { ...found, identity, size, synced: false };
  } finally {
    await closeFile(descriptor);
  }
}

function statsOf(descriptor: number): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    fstat(descriptor, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });
}

/** @returns whether the file has so many bytes there */
async function fill(descriptor: number, buffer: Buffer, position: number): Promise<boolean> {
  for (let at = 0; at < buffer.length;) {
    const bytes = await readInto(descriptor, buffer.subarray(at), position + at);
    if (bytes === 0) return false;
    at += bytes;
  }
  return true;
}

function readInto(descriptor: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, 0, buffer.length, position, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
}

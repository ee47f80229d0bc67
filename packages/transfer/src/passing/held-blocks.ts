import { close, constants, openSync, read, open } from 'node:fs';
import { promisify } from 'node:util';
import { pause, systemCode } from '@filer/protocol';
import { digestOfBlock, digestText } from '../digests/digests.ts';

const [closeFile, openFile] = [promisify(close), promisify(open)];

/** Blocks that are remembered: of 32 GiB in blocks of 1 MiB. The oldest are forgotten; then the sender has to send them. */
const MAX_BLOCKS = 32_768;

/** Files that are open beside the ones that are written, the last ones that came; the others are found by their names. */
const MAX_OPEN = 32;

/** A file of which blocks are here, wherever it is by now. */
export interface HeldFile {
  descriptor: number | undefined;
  /** Where it got its place, absolute. */
  path: string | undefined;
}

/** Where blocks are that came before, by their digests. */
export type RememberedBlocks = ReadonlyMap<
  string,
  { readonly path: string; readonly offset: number; readonly bytes: number }
>;

interface HeldBlock {
  readonly file: HeldFile;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Blocks that came in one transfer and may be handed on, by their digests. What is read is digested again: a file that
 * somebody has changed since is not told to anyone.
 */
export class HeldBlocks {
  readonly #blocks = new Map<string, HeldBlock>();
  /** By the entries of the transfer. */
  readonly #files = new Map<number, HeldFile>();
  #came = Promise.withResolvers<void>();
  /** How many read now: descriptors are closed after the last. */
  #readers = 0;
  readonly #over = new AbortController();
  #takenAt = -Infinity;

  /** Aborted when nothing is handed on any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get isClosed(): boolean {
    return this.#over.signal.aborted;
  }

  /** A file begins to come. @param path of what is written of it */
  begin(entry: number, path: string): HeldFile {
    const before = this.#files.get(entry);
    if (before !== undefined) this.#letGo(entry, before);
    const file: HeldFile = { descriptor: undefined, path: undefined };
    try {
      if (!this.isClosed) file.descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
    this.#files.set(entry, file);
    const [oldest] = this.#files.size > MAX_OPEN ? this.#files : [];
    if (oldest !== undefined) this.#letGo(...oldest);
    return file;
  }

  #letGo(entry: number, file: HeldFile): void {
    this.#files.delete(entry);
    const { descriptor } = file;
    file.descriptor = undefined;
    if (descriptor !== undefined) this.#closeLater(descriptor);
  }

  /** A verified block was written. */
  add(digest: string, file: HeldFile, offset: number, bytes: number): void {
    if (this.isClosed) return;
    this.#blocks.set(digest, { file, offset, bytes });
    const [oldest] = this.#blocks.size > MAX_BLOCKS ? this.#blocks.keys() : [];
    if (oldest !== undefined) this.#blocks.delete(oldest);
    this.#tell();
  }

  /** A file got its place. @param path absolute */
  placed(entry: number, path: string, digest: string, size: number, isOneBlock: boolean): void {
    const file = this.#files.get(entry) ?? { descriptor: undefined, path };
    file.path = path;
    if (isOneBlock && size > 0) this.add(digest, file, 0, size);
  }

  #tell(): void {
    this.#came.resolve();
    this.#came = Promise.withResolvers();
  }

  /**
   * Reads a block, once it is here.
   *
   * @param signal ends the waiting
   * @param into where it is read to, if it fits: the caller's until it has used the block @default memory of its own
   * @returns undefined when it is here no longer, or will not come
   */
  async read(digest: string, signal: AbortSignal, into?: Buffer): Promise<Buffer | undefined> {
    const aborted = Promise.withResolvers<void>();
    const stop = (): void => aborted.resolve();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!this.isClosed && !signal.aborted) {
        const block = this.#blocks.get(digest);
        if (block !== undefined) return await this.#read(digest, block, into);
        await Promise.race([this.#came.promise, aborted.promise]);
      }
      return undefined;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #read(
    digest: string,
    { file, offset, bytes }: HeldBlock,
    into?: Buffer,
  ): Promise<Buffer | undefined> {
    this.#readers++;
    let own: number | undefined;
    try {
      if (file.descriptor === undefined && file.path !== undefined)
        own = await openFile(file.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const from = file.descriptor ?? own;
      const content = from === undefined ? undefined : await readAll(from, offset, bytes, into);
      if (content !== undefined && digestText(digestOfBlock(content)) === digest) {
        this.#takenAt = performance.now();
        return content;
      }
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    } finally {
      if (own !== undefined) await closeFile(own).catch(() => undefined);
      if (--this.#readers === 0) this.#closeWaiting();
    }
    this.#blocks.delete(digest);
    return undefined;
  }

  readonly #toClose: number[] = [];

  #closeLater(descriptor: number): void {
    this.#toClose.push(descriptor);
    if (this.#readers === 0) this.#closeWaiting();
  }

  #closeWaiting(): void {
    for (const descriptor of this.#toClose.splice(0)) void closeFile(descriptor).catch(() => undefined);
  }

  /**
   * Nothing more comes: closes once no block was taken for some time.
   *
   * @param idleMs for how long @param mostMs at the latest
   */
  async closeUnused(idleMs: number, mostMs: number, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    while (!signal.aborted && !this.isClosed) {
      const until = Math.min(since + mostMs, Math.max(since, this.#takenAt) + idleMs);
      const leftMs = until - performance.now();
      if (leftMs <= 0) break;
      await pause(leftMs, signal);
    }
    this.close();
  }

  /** What is in files that have their places: no file is open for it, and it is read again by its name. */
  remembered(): RememberedBlocks {
    const places = [...this.#blocks].flatMap(
      ([
        digest,
        {
          file: { path },
          offset,
          bytes,
        },
      ]) => (path === undefined ? [] : [[digest, { path, offset, bytes }] as const]),
    );
    return new Map(places);
  }

  static from(remembered: RememberedBlocks): HeldBlocks {
    const held = new HeldBlocks();
    for (const [digest, { path, offset, bytes }] of remembered)
      held.add(digest, { descriptor: undefined, path }, offset, bytes);
    return held;
  }

  /** Nothing more is handed on. May be called twice. */
  close(): void {
    this.#over.abort();
    for (const [entry, file] of this.#files) this.#letGo(entry, file);
    this.#blocks.clear();
    this.#tell();
  }
}

async function readAll(descriptor: number, offset: number, bytes: number, into?: Buffer): Promise<Buffer> {
  const fits = into !== undefined && into.length >= bytes;
  const content = fits ? into.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);
  for (let got = 0; got < bytes;) {
    const some = await readSome(descriptor, content.subarray(got), offset + got);
    // A file that is not whole ends before a hole; of one that was cut since, the digest tells.
    if (some === 0) return content.fill(0, got);
    got += some;
  }
  return content;
}

function readSome(descriptor: number, into: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, into, 0, into.length, position, (error, bytes) => {
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
}

import { fieldsOf, FilerError, parseJson, textOf } from '@filer/protocol';
import { parseSafePath } from '@filer/transfer';

/*
 * What a person drops on a recipient in a page, as one stream:
 *
 *   u32 H | header, H bytes | content, `size` bytes of a file       for each entry
 *   u32 0                                                           nothing is missing
 *
 * Integers are big-endian. A header is JSON: {"path":"photos/a.jpg","kind":"file","size":5,"mtime":1764432000000}, `mtime`
 * in ms since the epoch, or {"path":"photos/empty","kind":"dir"}.
 */

/** A path of 4,096 characters, each of them escaped. */
const MAX_HEADER_BYTES = 32 * 1024;

/** The longest path of a system that filer runs on. */
const MAX_PATH_CHARS = 4_096;

/** Past what a clock of a file system can show, in ms. */
const MAX_MTIME_MS = 8.64e15;

export interface DroppedFolder {
  readonly kind: 'dir';
  /** Its components, each of them a safe name. */
  readonly path: readonly string[];
}

export interface DroppedFile {
  readonly kind: 'file';
  readonly path: readonly string[];
  readonly size: number;
  /** ms since the epoch. */
  readonly mtimeMs: number;
  /** To be read to its end before the next entry. */
  readonly content: AsyncIterable<Uint8Array>;
}

export type DroppedEntry = DroppedFolder | DroppedFile;

/**
 * The entries of a stream, in order; no content is held.
 *
 * @throws FilerError `message-malformed`, also when the stream ends early; `connection-closed` when it fails; `name-refused`
 */
export async function* droppedEntries(body: AsyncIterable<Uint8Array>): AsyncGenerator<DroppedEntry, void> {
  const bytes = new ByteReader(body);
  try {
    for (;;) {
      const length = new DataView((await bytes.exactly(4)).buffer).getUint32(0);
      if (length === 0) break;
      if (length > MAX_HEADER_BYTES) throw malformed(`a header of ${length} bytes`);
      const entry = parseHeader(await bytes.exactly(length));
      if (entry.kind === 'dir') yield entry;
      else yield { ...entry, content: bytes.next(entry.size) };
    }
    if (!(await bytes.isAtEnd())) throw malformed('bytes after its end');
  } finally {
    await bytes.close();
  }
}

function parseHeader(header: Uint8Array): DroppedFolder | Omit<DroppedFile, 'content'> {
  const what = 'the header of a dropped file';
  const { path, kind, size, mtime } = fieldsOf(parseJson(header, what, MAX_HEADER_BYTES), what);
  const components = parseSafePath(textOf(path, `${what}: path`, { max: MAX_PATH_CHARS }));
  if (kind === 'dir') return { kind, path: components };
  if (kind !== 'file') throw malformed('an entry that is no file and no folder');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw malformed('a wrong size');
  if (typeof mtime !== 'number' || !(Math.abs(mtime) <= MAX_MTIME_MS)) throw malformed('a wrong time');
  return { kind, path: components, size, mtimeMs: mtime };
}

/** Takes a stream apart without holding more of it than one piece. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#pieces = body[Symbol.asyncIterator]();
  }

  /** A copy. @param bytes few */
  async exactly(bytes: number): Promise<Uint8Array> {
    const whole = new Uint8Array(bytes);
    let at = 0;
    for await (const piece of this.next(bytes)) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** The next so many bytes, as they come. */
  async *next(bytes: number): AsyncGenerator<Uint8Array, void> {
    for (let left = bytes; left > 0;) {
      if (this.#rest.length === 0 && !(await this.#more())) throw malformed('its end is missing');
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #next(): Promise<IteratorResult<Uint8Array, unknown>> {
    try {
      return await this.#pieces.next();
    } catch (cause) {
      throw new FilerError('connection-closed', 'the page went away before all of it came: drop it again', {
        cause,
      });
    }
  }

  async #more(): Promise<boolean> {
    do {
      const { done, value } = await this.#next();
      if (done === true) return false;
      this.#rest = value;
    } while (this.#rest.length === 0);
    return true;
  }
}

function malformed(problem: string): FilerError {
  return new FilerError('message-malformed', `the drop was malformed (${problem}): drop it again`);
}

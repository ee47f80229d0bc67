import { createReadStream } from 'node:fs';
import { FilerError, messageOf, systemCode } from '@filer/protocol';

/** A part of a file. */
export interface FilePart {
  /** Its first byte. @default 0 */
  readonly offset?: number;
  /** Bytes from there. @default to the end */
  readonly length?: number;
  readonly signal?: AbortSignal | undefined;
}

/** As many files are read at once as connections send: large enough for speed, small enough for hundreds. */
const PIECE_BYTES = 256 * 1024;

/**
 * The bytes of a file, read no faster than they are taken.
 *
 * @throws FilerError `path-missing`, `path-unsupported` for a folder, `path-unreadable`, `usage` for an offset or
 *   length that is no whole number from 0, or the reason of `signal`
 */
export async function* readFilePieces(path: string, part: FilePart): AsyncGenerator<Buffer, void, void> {
  const { offset = 0, length = Number.MAX_SAFE_INTEGER - offset, signal } = part;
  for (const number of [offset, length]) {
    if (!Number.isSafeInteger(number) || number < 0) {
      throw new FilerError(
        'usage',
        `a part of a file starts and counts in whole bytes from 0, not ${number}`,
      );
    }
  }
  signal?.throwIfAborted();
  if (length === 0) return;
  const file = createReadStream(path, {
    ...(offset === 0 ? {} : { start: offset }), // without one, what has no positions can be read too
    end: offset + length - 1,
    highWaterMark: PIECE_BYTES,
    signal,
  });
  const pieces: AsyncIterator<Buffer> = file[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOf(pieces, path, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    file.destroy();
  }
}

/** Failures of the file are told as such; those of the consumer of the pieces are passed on unchanged. */
async function nextOf(
  pieces: AsyncIterator<Buffer>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<Buffer, unknown>> {
  try {
    return await pieces.next();
  } catch (error) {
    signal?.throwIfAborted();
    throw fileError(path, error);
  }
}

function fileError(path: string, error: unknown): FilerError {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new FilerError('path-missing', `there is no file ${path}: check its name`, { cause: error });
    case 'EISDIR':
      return new FilerError('path-unsupported', `${path} is a folder: name a file`, { cause: error });
    default:
      return new FilerError('path-unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

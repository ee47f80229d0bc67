import { FilerError, type ErrorCode } from '../errors.ts';
import { requireInteger, requireText, type Header, type Message } from '../header.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import { formatFileTime, parseFileTime } from './file-time.ts';
import { integerOf, textOf } from './json.ts';
import { DIGEST_PATTERN, MAX_MODE, NO_CONTENT, parseReason, shortenReason } from './transfer-fields.ts';

/* The stream of one file, from its beginning to its end or its failure. @see transfer.ts */

export interface FileStart {
  readonly entry: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly mode: number;
  /** Whether `grow` may follow. @default false */
  readonly growing?: boolean | undefined;
}

export function formatFile({ entry, size, mtimeNs, mode, growing = false }: FileStart): Message {
  const header = { type: 'file', entry: String(entry), size: String(size) };
  const facts = { ...formatFileTime(mtimeNs), mode: String(mode), ...(growing ? { growing: '1' } : {}) };
  return { header: { ...header, ...facts }, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseFile({ header }: Message): FileStart {
  return {
    entry: requireInteger(header, 'entry'),
    size: requireInteger(header, 'size'),
    mtimeNs: parseFileTime(header),
    mode: integerOf(requireInteger(header, 'mode'), 'mode', 0, MAX_MODE),
    ...(header['growing'] === '1' ? { growing: true } : {}),
  };
}

/** The file of the open stream has more bytes than was said. */
export interface Grow {
  readonly entry: number;
  readonly size: number;
}

export function formatGrow({ entry, size }: Grow): Message {
  return { header: { type: 'grow', entry: String(entry), size: String(size) }, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseGrow({ header }: Message): Grow {
  return { entry: requireInteger(header, 'entry'), size: requireInteger(header, 'size') };
}

export interface Chunk {
  readonly entry: number;
  readonly offset: number;
  readonly content: Buffer;
}

export function chunkHeader(entry: number, offset: number): Header {
  return { type: 'chunk', entry: String(entry), offset: String(offset) };
}

/** @throws FilerError `message-malformed`, also for an empty chunk or one above `MAX_CHUNK_BYTES` */
export function parseChunk({ header, content }: Message): Chunk {
  if (content.length === 0 || content.length > MAX_CHUNK_BYTES) {
    throw new FilerError(
      'message-malformed',
      `a chunk of ${content.length} bytes is not within 1 to ${MAX_CHUNK_BYTES}`,
    );
  }
  return { entry: requireInteger(header, 'entry'), offset: requireInteger(header, 'offset'), content };
}

/** The file is one that the receiver has. */
export interface Skip {
  readonly entry: number;
  readonly digest: string;
}

export function formatSkip({ entry, digest }: Skip): Message {
  return { header: { type: 'skip', entry: String(entry), digest }, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseSkip({ header }: Message): Skip {
  return {
    entry: requireInteger(header, 'entry'),
    digest: textOf(requireText(header, 'digest'), 'digest', { pattern: DIGEST_PATTERN }),
  };
}

/** How much of a file was taken. */
export interface Got {
  readonly entry: number;
  readonly offset: number;
}

export function formatGot({ entry, offset }: Got): Message {
  return { header: { type: 'got', entry: String(entry), offset: String(offset) }, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseGot({ header }: Message): Got {
  return { entry: requireInteger(header, 'entry'), offset: requireInteger(header, 'offset') };
}

/** What proves a file's content. */
export interface Digests {
  /** `blake3:HEX` of the file. */
  readonly digest: string;
  /** `blake3:HEX` of the digests of its 1 MiB blocks. */
  readonly blocks: string;
}

export interface FileEnd extends Digests {
  readonly entry: number;
  readonly size: number;
}

export function formatEnd({ entry, size, digest, blocks }: FileEnd): Message {
  return {
    header: { type: 'end', entry: String(entry), size: String(size), digest, blocks },
    content: NO_CONTENT,
  };
}

/** @throws FilerError `message-malformed` */
export function parseEnd({ header }: Message): FileEnd {
  return {
    entry: requireInteger(header, 'entry'),
    size: requireInteger(header, 'size'),
    digest: textOf(requireText(header, 'digest'), 'digest', { pattern: DIGEST_PATTERN }),
    blocks: textOf(requireText(header, 'blocks'), 'blocks', { pattern: DIGEST_PATTERN }),
  };
}

/** A file that goes whole, as one message. */
export interface Small extends Omit<FileStart, 'growing'>, Digests {
  readonly content: Buffer;
}

export function smallHeader(file: Omit<Small, 'content'>): Header {
  const { entry, size, mtimeNs, mode, digest, blocks } = file;
  const facts = { entry: String(entry), size: String(size), ...formatFileTime(mtimeNs), mode: String(mode) };
  return { type: 'small', ...facts, digest, blocks };
}

/** @throws FilerError `message-malformed`, also for a content above `MAX_CHUNK_BYTES` or not of the size it names */
export function parseSmall(message: Message): Small {
  const { content } = message;
  const [start, { digest, blocks }] = [parseFile(message), parseEnd(message)];
  if (content.length !== start.size || content.length > MAX_CHUNK_BYTES) {
    throw new FilerError(
      'message-malformed',
      `a small file came with ${content.length} bytes: it says ${start.size}, and may have ${MAX_CHUNK_BYTES}`,
    );
  }
  const { entry, size, mtimeNs, mode } = start;
  return { entry, size, mtimeNs, mode, digest, blocks, content };
}

/** Why one entry goes no further. */
export interface EntryFailure {
  readonly entry: number;
  readonly code: ErrorCode;
  readonly message: string;
  /**
   * Of a `failed`: what the file was compared with can be used no longer, and it may be sent once more, whole.
   *
   * @default false
   */
  readonly again?: boolean;
}

/** @param type `failed` is said by the receiver, `abandon` by the sender */
export function formatEntryFailure(
  type: 'failed' | 'abandon',
  { entry, code, message, again = false }: EntryFailure,
): Message {
  const header = { type, entry: String(entry), code, message: shortenReason(message) };
  return { header: again ? { ...header, again: '1' } : header, content: NO_CONTENT };
}

/** Reads `failed` and `abandon`. @throws FilerError `message-malformed` */
export function parseEntryFailure({ header }: Message): EntryFailure {
  const reason = parseReason(header['code'], header['message'], 'failed');
  return { entry: requireInteger(header, 'entry'), ...reason, again: header['again'] === '1' };
}

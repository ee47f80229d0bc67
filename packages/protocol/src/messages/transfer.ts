/*
 * How files travel over a connection of their own. The sender speaks first, whichever side dialled.
 *
 *   offer           sender → receiver   id, job, complete (1|0), files, bytes, [onConflict], [checksum=1];
 *                                       content JSON { names, note }
 *   answer          receiver → sender   re, [small=1: it knows `small`]: accepted (a refusal is an `error` with the
 *                                       same re; after `totals-needed` the sender may offer once more, with
 *                                       complete=1)
 *   entries         sender → receiver   id, first, [last=1]; content JSON
 *                                       [{ path, kind: file|dir|link, size, mtimeNs, mode, [target], [digest] }]
 *   entries-answer  receiver → sender   re; content JSON, one for each entry: { answer: want } |
 *                                       { answer: made, path } | { answer: have, path, [receipt: true] } |
 *                                       { answer: resume, bytes } | { answer: check, bytes, files: [{ seal,
 *                                       path }] } | { answer: refused, code, message } |
 *                                       { answer: unwanted }
 *   skip            sender → receiver   entry, digest: the file is the one of this digest whose seal `check` named;
 *                                       its receipt follows
 *   file            sender → receiver   entry, size, mtimeNs, mode, [growing=1]: the stream of one entry begins
 *   grow            sender → receiver   entry, size: the file of the open stream is still being written, and has
 *                                       so many bytes now
 *   chunk           sender → receiver   entry, offset; content: 1 byte to 1 MiB of the file
 *   basis           sender → receiver   id, entry, first, count: which blocks of the open entry are there?
 *   basis-answer    receiver → sender   re; content: the 32-byte BLAKE3 of each block from `first` on, at most
 *                                       `count`; fewer where the basis ends
 *   same            sender → receiver   entry, offset, bytes: there the basis holds what the file holds
 *   got             receiver → sender   entry, offset: all before this file and so much of it was taken; said at
 *                                       least for each MiB, and at the end of a file of more than 1 MiB. The
 *                                       sender is at most 8 MiB ahead of it, and ends a file that has a basis
 *                                       when all of it was taken
 *   end             sender → receiver   entry, size, digest, blocks: the stream is whole
 *   small           sender → receiver   entry, size, mtimeNs, mode, digest, blocks; content: the whole file, at most
 *                                       1 MiB: what `file`, `chunk` and `end` say, in one message
 *   abandon         sender → receiver   entry, code, message: drop what came of it (`file` may begin it again)
 *   failed          receiver → sender   entry, code, message, [again=1]: this file, and no other, could not be
 *                                       taken; again: its basis is lost, abandon it and begin it again, whole
 *   receipts        receiver → sender   content JSON: one signed batch of files that are in place,
 *                                       see receipt.ts
 *   working         either              [asking=1]; busy without progress on the wire: verifying, syncing; with
 *                                       asking=1 a person was asked and has not answered
 *   done            sender → receiver   nothing is left to send
 *   done            receiver → sender   every entry has its receipt, or its `failed`
 *
 * An entry's number is its place in the job, counted from 0: `first` plus its index in the batch. One stream
 * is open at a time; its chunks, and `same` in their place, follow each other without a gap. After the answer
 * `resume` the sender may ask for the blocks of the basis (1 MiB each, the last may be shorter), or send the whole. `size` in `file` is the size of what is
 * sent, which may have changed since `entries`. `digest` is the BLAKE3 of the file, `blocks` the BLAKE3 of the
 * 32-byte digests of its 1 MiB blocks, one after the other. `mtimeNs` is a decimal string, possibly negative.
 * A `dir` comes before what lies in it; it and a `link` (whose `target` never leaves the first folder of its
 * path) are made at once, and no stream follows.
 */
import { FilerError, isErrorCode, type ErrorCode } from '../errors.ts';
import { requireInteger, requireText, type Header, type Message } from '../header.ts';
import { MAX_BATCH_BYTES, MAX_CHUNK_BYTES, MAX_ENTRIES_PER_BATCH, MAX_OFFER_BYTES } from '../limits.ts';
import { fieldsOf, formatJson, integerOf, listOf, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';

const NO_CONTENT = Buffer.alloc(0);
/** A job's id as it travels. */
export const JOB_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
/** A digest as it travels. */
export const DIGEST_PATTERN = /^blake3:[0-9a-f]{64}$/;
const NANOSECONDS = /^-?(?:0|[1-9][0-9]{0,18})$/;
const KIND = /^[a-z]{1,16}$/;

/** Top names that an offer shows. */
export const MAX_OFFER_NAMES = 100;
const MAX_NOTE_CHARS = 4_096;
/** In UTF-16 units; whether the receiving system takes the path is judged for each file. */
export const MAX_PATH_CHARS = 16_384;
const MAX_MODE = 0o7777;

/** What becomes of a file whose name is taken by another one. */
export const CONFLICTS = ['rename', 'skip', 'overwrite', 'newer'] as const;
export type OnConflict = (typeof CONFLICTS)[number];

export interface Offer {
  /** Chosen by the sender; the receipts name it. */
  readonly job: string;
  /** Whether `files` and `bytes` are the final totals; otherwise totals so far. */
  readonly complete: boolean;
  readonly files: number;
  readonly bytes: number;
  /** The first top names, for people. As hostile as every name from another machine. */
  readonly names: readonly string[];
  readonly note: string;
  /** @default rename */
  readonly onConflict?: OnConflict | undefined;
  /** Whether contents are read to be compared, whatever is remembered of them. @default false */
  readonly checksum?: boolean | undefined;
}

export function formatOffer(offer: Offer, id: string): Message {
  const { job, complete, files, bytes, names, note, onConflict, checksum = false } = offer;
  return {
    header: {
      type: 'offer',
      id,
      job,
      complete: complete ? '1' : '0',
      files: String(files),
      bytes: String(bytes),
      ...(onConflict === undefined ? {} : { onConflict }),
      ...(checksum ? { checksum: '1' } : {}),
    },
    content: formatJson({ names: names.slice(0, MAX_OFFER_NAMES), note }),
  };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseOffer({ header, content }: Message): Offer & { readonly id: string } {
  expectType(header, 'offer');
  const fields = fieldsOf(parseJson(content, 'offer', MAX_OFFER_BYTES), 'offer');
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    job: textOf(requireText(header, 'job'), 'job', { pattern: JOB_PATTERN }),
    complete: header['complete'] === '1',
    files: requireInteger(header, 'files'),
    bytes: requireInteger(header, 'bytes'),
    names: listOf(fields['names'], 'names', MAX_OFFER_NAMES, pathOf),
    note: textOf(fields['note'] ?? '', 'note', { max: MAX_NOTE_CHARS }),
    ...(header['onConflict'] === undefined ? {} : { onConflict: conflictOf(header['onConflict']) }),
    ...(header['checksum'] === '1' ? { checksum: true } : {}),
  };
}

/** One that is not known here loses nothing when it is taken for `rename`. */
function conflictOf(word: string): OnConflict {
  return CONFLICTS.find((each) => each === word) ?? 'rename';
}

/** @param takesSmall whether this receiver knows the message `small` @default false */
export function formatAnswer(re: string, takesSmall = false): Message {
  return { header: { type: 'answer', re, ...(takesSmall ? { small: '1' } : {}) }, content: NO_CONTENT };
}

/** Whether whoever gave this answer knows the message `small`. */
export function takesSmall({ header }: Message): boolean {
  return header['small'] === '1';
}

/** One thing to send. A receiver refuses kinds that it does not know, each for itself. */
export interface Entry {
  /** Relative, `/` between components. */
  readonly path: string;
  /** `file`, `dir` or `link`. */
  readonly kind: string;
  /** 0 unless it is a file. */
  readonly size: number;
  /** Modification time in ns since the epoch. */
  readonly mtimeNs: bigint;
  /** Permission bits. */
  readonly mode: number;
  /** Where a link points to, as it stands in the link. */
  readonly target?: string | undefined;
  /** `blake3:HEX` of a file, where the sender remembers it. */
  readonly digest?: string | undefined;
  /** Whether it is still being written: `size` is what there is so far. @default false */
  readonly growing?: boolean | undefined;
}

export interface Entries {
  readonly id: string;
  /** The number of the first entry. */
  readonly first: number;
  /** Whether no further batch follows. */
  readonly last: boolean;
  readonly entries: readonly Entry[];
}

/** @param batch at most `MAX_ENTRIES_PER_BATCH` entries; the last batch may be empty */
export function formatEntries({ id, first, last, entries }: Entries): Message {
  return {
    header: { type: 'entries', id, first: String(first), ...(last ? { last: '1' } : {}) },
    content: formatJson(entries.map((entry) => ({ ...entry, mtimeNs: String(entry.mtimeNs) }))),
  };
}

/** @throws FilerError `message-malformed`; whether a path is acceptable is not judged here */
export function parseEntries({ header, content }: Message): Entries {
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    first: requireInteger(header, 'first'),
    last: header['last'] === '1',
    entries: listOf(
      parseJson(content, 'entries', MAX_BATCH_BYTES),
      'entries',
      MAX_ENTRIES_PER_BATCH,
      parseEntry,
    ),
  };
}

function parseEntry(value: unknown, what: string): Entry {
  const fields = fieldsOf(value, what);
  return {
    path: pathOf(fields['path'], `${what}.path`),
    kind: textOf(fields['kind'], `${what}.kind`, { pattern: KIND }),
    size: integerOf(fields['size'], `${what}.size`),
    mtimeNs: BigInt(textOf(fields['mtimeNs'], `${what}.mtimeNs`, { pattern: NANOSECONDS })),
    mode: integerOf(fields['mode'], `${what}.mode`, 0, MAX_MODE),
    ...(fields['digest'] === undefined
      ? {}
      : { digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }) }),
    ...(fields['target'] === undefined ? {} : { target: pathOf(fields['target'], `${what}.target`) }),
    ...(fields['growing'] === true ? { growing: true } : {}),
  };
}

/** Any string: even ill-formed Unicode is refused for its own file only, by the receiving system's rules. */
function pathOf(value: unknown, what: string): string {
  if (typeof value === 'string' && value.length <= MAX_PATH_CHARS) return value;
  throw new FilerError(
    'message-malformed',
    `${what} is not a string of at most ${MAX_PATH_CHARS} characters`,
  );
}

/** Files that one `check` names. */
export const MAX_PRESENT_FILES = 16;

/** A file that the receiver has. */
export interface PresentFile {
  /** BLAKE3 of `filer/1 check\n` and its digest: whoever has the file finds it so, and nobody learns the digest. */
  readonly seal: string;
  /** Of the receiver. */
  readonly path: string;
}

function parsePresentFile(value: unknown, what: string): PresentFile {
  const fields = fieldsOf(value, what);
  return {
    seal: textOf(fields['seal'], `${what}.seal`, { pattern: DIGEST_PATTERN }),
    path: pathOf(fields['path'], `${what}.path`),
  };
}

/** What the receiver wants of one entry. */
export type EntryAnswer =
  | { readonly answer: 'want' }
  /** A folder or a link: it is there now, under this path of the receiver. */
  | { readonly answer: 'made'; readonly path: string }
  /**
   * It needs not come: this path of the receiver is the same link, or the same file, whose receipt follows. Without
   * one the conflict rule keeps what is there, and nothing is said of its content.
   */
  | { readonly answer: 'have'; readonly path: string; readonly receipt?: true }
  /** A basis of so many bytes is there: the sender may send what differs from it, or the whole file. */
  | { readonly answer: 'resume'; readonly bytes: number }
  /**
   * Files of its size are there. If the sender's is one of them it says `skip`, else it sends it; `bytes` as in
   * `resume`, 0 for no basis.
   */
  | { readonly answer: 'check'; readonly bytes: number; readonly files: readonly PresentFile[] }
  /** The receiver, who asked for the folder that it lies in, leaves it out. */
  | { readonly answer: 'unwanted' }
  | { readonly answer: 'refused'; readonly code: ErrorCode; readonly message: string };

export function formatEntriesAnswer(re: string, answers: readonly EntryAnswer[]): Message {
  return { header: { type: 'entries-answer', re }, content: formatJson(answers) };
}

/** @throws FilerError `message-malformed` */
export function parseEntriesAnswer({ header, content }: Message): { re: string; answers: EntryAnswer[] } {
  return {
    re: requireText(header, 're'),
    answers: listOf(
      parseJson(content, 'entries-answer', MAX_BATCH_BYTES),
      'entries-answer',
      MAX_ENTRIES_PER_BATCH,
      parseEntryAnswer,
    ),
  };
}

function parseEntryAnswer(value: unknown, what: string): EntryAnswer {
  const fields = fieldsOf(value, what);
  switch (fields['answer']) {
    case 'want':
      return { answer: 'want' };
    case 'unwanted':
      return { answer: 'unwanted' };
    case 'made':
      return { answer: 'made', path: pathOf(fields['path'], `${what}.path`) };
    case 'have':
      return {
        answer: 'have',
        path: pathOf(fields['path'], `${what}.path`),
        ...(fields['receipt'] === true ? { receipt: true } : {}),
      };
    case 'resume':
      return { answer: 'resume', bytes: integerOf(fields['bytes'], `${what}.bytes`) };
    case 'check':
      return {
        answer: 'check',
        bytes: integerOf(fields['bytes'], `${what}.bytes`),
        files: listOf(fields['files'], `${what}.files`, MAX_PRESENT_FILES, parsePresentFile),
      };
    case 'refused':
      return { answer: 'refused', ...parseReason(fields['code'], fields['message'], what) };
    default:
      throw new FilerError(
        'message-malformed',
        `${what} is not want, made, have, resume, check, refused or unwanted`,
      );
  }
}

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
  const facts = { mtimeNs: String(mtimeNs), mode: String(mode), ...(growing ? { growing: '1' } : {}) };
  return { header: { ...header, ...facts }, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseFile({ header }: Message): FileStart {
  return {
    entry: requireInteger(header, 'entry'),
    size: requireInteger(header, 'size'),
    mtimeNs: BigInt(textOf(requireText(header, 'mtimeNs'), 'mtimeNs', { pattern: NANOSECONDS })),
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

/** Blocks of a basis that one `basis` asks for. */
export const MAX_BASIS_BLOCKS = 1_024;
/** One BLAKE3 digest, in bytes. */
export const BLOCK_DIGEST_BYTES = 32;

/** Which blocks of the basis of the open entry are there? */
export interface BasisRequest {
  readonly id: string;
  readonly entry: number;
  /** The number of the first block, counted from 0. */
  readonly first: number;
  /** 1 to `MAX_BASIS_BLOCKS`. */
  readonly count: number;
}

export function formatBasisRequest({ id, entry, first, count }: BasisRequest): Message {
  const header = { type: 'basis', id, entry: String(entry), first: String(first), count: String(count) };
  return { header, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseBasisRequest({ header }: Message): BasisRequest {
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    entry: requireInteger(header, 'entry'),
    first: integerOf(requireInteger(header, 'first'), 'first', 0, Number.MAX_SAFE_INTEGER / MAX_CHUNK_BYTES),
    count: integerOf(requireInteger(header, 'count'), 'count', 1, MAX_BASIS_BLOCKS),
  };
}

/** @param digests one after the other, `BLOCK_DIGEST_BYTES` each */
export function formatBasisAnswer(re: string, digests: Buffer): Message {
  return { header: { type: 'basis-answer', re }, content: digests };
}

/** @returns the digests, one after the other. @throws FilerError `message-malformed` */
export function parseBasisAnswer({ content }: Message, count: number): Buffer {
  if (content.length % BLOCK_DIGEST_BYTES === 0 && content.length <= count * BLOCK_DIGEST_BYTES)
    return Buffer.from(content);
  throw new FilerError(
    'message-malformed',
    `${content.length} bytes are not the digests of at most ${count} blocks`,
  );
}

/** Bytes of the basis that are those of the file, in the place of a chunk. */
export interface Same {
  readonly entry: number;
  readonly offset: number;
  /** 1 to `MAX_CHUNK_BYTES`. */
  readonly bytes: number;
}

export function formatSame({ entry, offset, bytes }: Same): Message {
  const header = { type: 'same', entry: String(entry), offset: String(offset), bytes: String(bytes) };
  return { header, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseSame({ header }: Message): Same {
  return {
    entry: requireInteger(header, 'entry'),
    offset: requireInteger(header, 'offset'),
    bytes: integerOf(requireInteger(header, 'bytes'), 'bytes', 1, MAX_CHUNK_BYTES),
  };
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
  const facts = { entry: String(entry), size: String(size), mtimeNs: String(mtimeNs), mode: String(mode) };
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

/** Why something goes no further, as it stands in a header or in JSON. @throws FilerError `message-malformed` */
export function parseReason(
  code: unknown,
  message: unknown,
  what: string,
): { code: ErrorCode; message: string } {
  const word = textOf(code, `${what}.code`, { max: 64 });
  return {
    code: isErrorCode(word) ? word : 'refused',
    message: textOf(message, `${what}.message`, { max: MAX_REASON_CHARS }),
  };
}

const MAX_REASON_CHARS = 8_192;

/** A message may quote names of another machine: bounded, and made well-formed so that it can travel. */
export function shortenReason(message: string): string {
  return message.slice(0, MAX_REASON_CHARS).toWellFormed();
}

/** `done`, and `working`: they say it all by their type. */
export function formatTransferWord(type: 'done' | 'working'): Message {
  return { header: { type }, content: NO_CONTENT };
}

/** `working`, while a person decides about the offer. */
export function formatAsking(): Message {
  return { header: { type: 'working', asking: '1' }, content: NO_CONTENT };
}

/** Whether a `working` says that a person was asked. */
export function isAsking({ asking }: Header): boolean {
  return asking === '1';
}

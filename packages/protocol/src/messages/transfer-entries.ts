import { FilerError, type ErrorCode } from '../errors.ts';
import { MAX_BATCH_BYTES, MAX_ENTRIES_PER_BATCH } from '../limits.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { flag, integer, requestId } from './field.ts';
import { formatFileTime, parseFileTime } from './file-time.ts';
import { fieldsOf, integerOf, listOf, textOf } from './json.ts';
import { receiverToSender, senderToReceiver } from './route.ts';
import { DIGEST_PATTERN, MAX_MODE, cutReason, parseReason, pathOf, writeReason } from './transfer-fields.ts';

/* What there is to send, batch by batch, and what the receiver wants of it. @see transfer.ts */

const VERSION = /^[0-9]{1,20}:[0-9]{1,20}:-?[0-9]{1,30}:-?[0-9]{1,30}$/;
const KIND = /^[a-z]{1,16}$/;

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
  /**
   * `INODE:SIZE:MTIME:CTIME` of a file that the sender removes once all have it, times in ns. A receiver that has this very
   * file, on a disk that both see, refuses it. @default it is not removed
   */
  readonly version?: string | undefined;
  /** What is wrong with one that came and cannot be read; all else that it says is then made up. */
  readonly malformed?: string | undefined;
}

/** One that cannot be read is refused for itself, where entries are decided on. */
function readEntry(value: unknown, what: string): Entry {
  try {
    return parseEntry(value, what);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    const path = shownPath(value) ?? what;
    return { path, kind: 'malformed', size: 0, mtimeNs: 0n, mode: 0, malformed: error.message };
  }
}

/** Of an entry that cannot be read, for people. */
function shownPath(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('path' in value)) return undefined;
  return typeof value.path === 'string' ? value.path.slice(0, 200).toWellFormed() : undefined;
}

function parseEntry(value: unknown, what: string): Entry {
  const fields = fieldsOf(value, what);
  return {
    path: pathOf(fields['path'], `${what}.path`),
    kind: textOf(fields['kind'], `${what}.kind`, { pattern: KIND }),
    size: integerOf(fields['size'], `${what}.size`),
    mtimeNs: parseFileTime(fields, `${what}.`),
    mode: integerOf(fields['mode'], `${what}.mode`, 0, MAX_MODE),
    ...(fields['digest'] === undefined
      ? {}
      : { digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }) }),
    ...(fields['target'] === undefined ? {} : { target: pathOf(fields['target'], `${what}.target`) }),
    ...(fields['growing'] === true ? { growing: true } : {}),
    ...(fields['version'] === undefined
      ? {}
      : { version: textOf(fields['version'], `${what}.version`, { pattern: VERSION }) }),
  };
}

/** Files that one `check` names. */
export const MAX_PRESENT_FILES = 16;

/** A file that the receiver has. */
export interface PresentFile {
  /** BLAKE3 of `filer/1 check\n` and its digest: a machine that has the file finds it, and none learns the digest. */
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
   * one the conflict rule keeps what is there, and nothing is said of its content; `kept` says so of a link.
   */
  | { readonly answer: 'have'; readonly path: string; readonly receipt?: true; readonly kept?: true }
  /** A basis of so many bytes is there: the sender may send what differs from it, or the whole file. */
  | { readonly answer: 'resume'; readonly bytes: number }
  /**
   * Files of its size are there. If the sender's is one of them it says `skip`, else it sends it; `bytes` as in
   * `resume`, 0 for no basis.
   */
  | { readonly answer: 'check'; readonly bytes: number; readonly files: readonly PresentFile[] }
  /** The receiver, who asked for the folder that it is in, leaves it out. */
  | { readonly answer: 'unwanted' }
  | { readonly answer: 'refused'; readonly code: ErrorCode; readonly message: string };

/** A reason may quote a name many times as long as the name. */
function shortened(answer: EntryAnswer): EntryAnswer {
  if (answer.answer !== 'refused') return answer;
  // A name that is refused is one that the sender gave, and may itself be absolute.
  const words = answer.code === 'name-refused' ? cutReason : writeReason;
  return { ...answer, message: words(answer.message) };
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
        ...(fields['kept'] === true ? { kept: true } : {}),
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

export const entriesAnswerMessage = message({
  type: 'entries-answer',
  routes: [receiverToSender],
  header: { re: requestId() },
  content: json({
    shape: '[{ answer, … }], one for each entry',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => ({ answers: listOf(value, what, MAX_ENTRIES_PER_BATCH, parseEntryAnswer) }),
    write: ({ answers }: { readonly answers: readonly EntryAnswer[] }) => answers.map(shortened),
  }),
});

/** A batch of what there is to send. The last one may be empty. */
export const entriesMessage = message({
  type: 'entries',
  routes: [senderToReceiver],
  header: {
    id: requestId(),
    /** The number of the first entry. */
    first: integer(),
    /** Whether no further batch follows. */
    last: flag(),
  },
  // Whether a path is acceptable is not judged here; an entry that cannot be read is `malformed`.
  content: json({
    shape: '[{ path, kind, size, mtimeNs, mode, [target], [digest], [growing], [version] }]',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => ({ entries: listOf(value, what, MAX_ENTRIES_PER_BATCH, readEntry) }),
    write: ({ entries }: { readonly entries: readonly Entry[] }) =>
      entries.map((entry) => ({ ...entry, ...formatFileTime(entry.mtimeNs) })),
  }),
  answers: [entriesAnswerMessage],
});
export type Entries = Parsed<typeof entriesMessage>;

export const { parse: parseEntries, format: formatEntries } = entriesMessage;
export const { parse: parseEntriesAnswer } = entriesAnswerMessage;

export function formatEntriesAnswer(
  re: string,
  answers: readonly EntryAnswer[],
): ReturnType<typeof entriesAnswerMessage.format> {
  return entriesAnswerMessage.format({ re, answers });
}

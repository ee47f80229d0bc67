import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { FilerError, messageOf, systemCode, type ErrorCode } from './errors.ts';
import { nodeCrypto } from './loaded-late.ts';

/** What the system says of a write, as what it means to the owner of the disk, and what helps. */
const REASONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['no-space', 'the disk is full: make room there'],
  EDQUOT: ['no-space', "this user's quota there is used up: remove files, or have the quota raised"],
  EROFS: ['home-not-writable', 'the disk is mounted read-only: mount it for writing'],
  EACCES: ['home-not-writable', 'this user may not write there: give this user that folder'],
  EPERM: ['home-not-writable', 'this user may not write there: give this user that folder'],
  ENOENT: ['home-not-writable', 'its folder is not there: make it'],
  ENOTDIR: ['home-not-writable', 'a file is where one of its folders must be: move that file away'],
  EEXIST: ['home-not-writable', 'a file has the name of that folder: move that file away'],
  EIO: ['home-not-writable', 'the disk failed: check it'],
  EMFILE: ['home-not-writable', 'too many files are open: raise the limit (ulimit -n)'],
  ENFILE: ['home-not-writable', 'too many files are open on this machine: end what opens them'],
};

/** SQLite's primary result codes for failed writes. Most hide what the system said: then a write beside the file tells. */
const SQLITE_PERM = 3;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const HIDING: ReadonlySet<number> = new Set([SQLITE_PERM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN]);

/** Written to find out what the system says: more than a file system keeps beside its own records. */
const TRIAL_BYTES = 16 * 1024;

export interface WriteFailureOptions {
  /** What else helps, such as `set FILER_HOME to another folder`. @default nothing */
  readonly otherwise?: string;
}

/**
 * Why a file or folder of this program cannot be written: the one mapping for all of them.
 *
 * @param doing what failed, with the path in it: `cannot lock /srv/filer/daemon.lock`
 * @param file absolute; beside it is tried what SQLite does not tell
 * @param cause an error of the system or of SQLite
 * @returns `no-space` or `home-not-writable`
 */
export function writeFailure(
  doing: string,
  file: string,
  cause: unknown,
  { otherwise }: WriteFailureOptions = {},
): FilerError {
  const code = codeOf(file, cause);
  const [meaning, why] = REASONS[code ?? ''] ?? ['home-not-writable', messageOf(cause)];
  const shown = code === undefined || REASONS[code] === undefined ? '' : ` (${code})`;
  const also = otherwise === undefined ? '' : `, or ${otherwise}`;
  // In quotes, so that what goes to another machine goes without all of it. @see outgoingWords
  const named = /[^\w./@+-]/.test(file) ? doing.replaceAll(file, JSON.stringify(file)) : doing;
  return new FilerError(meaning, `${named}${shown}: ${why}${also}`, { cause });
}

/** Whether SQLite failed because something could not be written or opened, in a way that `writeFailure` explains. */
export function isWriteFailure(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && (code === SQLITE_FULL || HIDING.has(code));
}

function codeOf(file: string, cause: unknown): string | undefined {
  const sqlite = sqliteCode(cause);
  if (sqlite === undefined) return systemCode(cause);
  if (sqlite === SQLITE_FULL) return triedBeside(file) ?? 'ENOSPC';
  return HIDING.has(sqlite) ? triedBeside(file) : undefined;
}

/** SQLite's primary result code; undefined for any other error. */
function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined;
}

/** @returns the system's code for a write to this file or a new one beside it; undefined when both succeed */
function triedBeside(file: string): string | undefined {
  const trial = `${file}.${nodeCrypto().randomBytes(6).toString('hex')}.tmp`;
  try {
    if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK);
    const descriptor = openSync(trial, 'wx', 0o600);
    try {
      writeSync(descriptor, Buffer.alloc(TRIAL_BYTES, 1));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
      rmSync(trial, { force: true });
    }
    return undefined;
  } catch (error) {
    return systemCode(error);
  }
}

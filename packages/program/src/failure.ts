import { FilerError, messageOf, systemCode, type ErrorCode } from '@filer/protocol';

/** System errors that can reach a command unwrapped, as what they mean to its user. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'path-missing',
  ENOTDIR: 'path-missing',
  EACCES: 'path-unreadable',
  EPERM: 'path-unreadable',
  EROFS: 'path-unreadable',
  EISDIR: 'path-unsupported',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EADDRINUSE: 'port-in-use',
  EADDRNOTAVAIL: 'address-unusable',
};

/** How a command ends that failed. */
export interface Failure {
  readonly code: ErrorCode;
  readonly exitCode: number;
  /** One sentence for a person, not escaped yet. */
  readonly message: string;
}

/**
 * What to say about anything thrown. A FilerError speaks for itself, a system error gets the code of what it
 * means, and the rest is a bug of ours, which asks to be reported.
 */
export function describeFailure(error: unknown): Failure {
  const known = toFilerError(error);
  if (known !== undefined) return { code: known.code, exitCode: known.exitCode, message: known.message };
  const bug = new FilerError(
    'internal',
    `a fault of this program: ${messageOf(error)}; run it again with --verbose and report what it prints`,
  );
  return { code: bug.code, exitCode: bug.exitCode, message: bug.message };
}

function toFilerError(error: unknown): FilerError | undefined {
  if (error instanceof FilerError) return error;
  // An operation that was aborted without a word of its own failed for the reason of its signal.
  if (error instanceof Error && error.name === 'AbortError' && error.cause instanceof FilerError) {
    return error.cause;
  }
  if (isFolderGone(error)) {
    const message =
      'the current folder was removed: change to another one, or name everything by its full path';
    return new FilerError('path-missing', message, { cause: error });
  }
  if (isProgramReplaced(error)) {
    const message =
      'its files were replaced or removed since it started: end this program, and start it again';
    return new FilerError('internal', message, { cause: error });
  }
  const code = SYSTEM_CODES[systemCode(error) ?? ''];
  return code === undefined ? undefined : new FilerError(code, messageOf(error), { cause: error });
}

/** A relative path was looked up where there is no current folder any longer. */
function isFolderGone(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd';
}

/** A part that loads when it is needed has another name after an upgrade. */
function isProgramReplaced(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}

/**
 * The one table of what can go wrong. A code is for programs: it is never renamed or reused, crosses the
 * wire in `error` messages, and maps here to the exit code of a command (`docs/errors.md` lists it; a test
 * holds the two together).
 */
export const EXIT_CODES = {
  // 1: other failure
  internal: 1,
  'no-such-report': 1,
  'no-such-job': 1,
  'no-such-offer': 1,
  'no-such-message': 1,
  'path-missing': 1,
  'path-unreadable': 1,
  'path-unsupported': 1,
  'port-in-use': 1,
  'address-unusable': 1,
  'home-not-writable': 1,
  'already-running': 1,
  'identity-damaged': 1,
  'store-damaged': 1,
  'configuration-invalid': 1,
  // 2: usage
  usage: 2,
  'invite-malformed': 2,
  // 3, 4, 5: who is there
  'not-joined': 3,
  'no-such-peer': 4,
  'peer-unreachable': 5,
  // 6: refused
  refused: 6,
  declined: 6,
  'totals-needed': 6,
  'invite-wrong': 6,
  'invite-expired': 6,
  'invite-used-up': 6,
  'invite-revoked': 6,
  'name-taken': 6,
  removed: 6,
  'not-a-member': 6,
  'duplicate-identity': 6,
  'rate-limited': 6,
  'too-many-connections': 6,
  'name-refused': 6,
  'network-key-missing': 6,
  // 7: verification failed
  'verification-failed': 7,
  'identity-mismatch': 7,
  'identity-changed': 7,
  'signature-invalid': 7,
  'source-changed': 7,
  // 8, 9, 10
  partial: 8,
  'timed-out': 9,
  'server-unreachable': 10,
  // 11: room
  'no-space': 11,
  'spool-full': 11,
  'too-large': 11,
  // 12
  'needs-daemon': 12,
  // the wire
  'frame-too-large': 1,
  'frame-malformed': 1,
  'message-malformed': 1,
  'unexpected-message': 1,
  unsupported: 1,
  'version-mismatch': 1,
  'connect-failed': 1,
  'connection-closed': 1,
  'connection-silent': 1,
  'too-slow': 1,
  'report-conflict': 1,
  'attachment-missing': 1,
  // signals
  interrupted: 130,
  terminated: 143,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

/** Whether `code` (from the wire, say) stands in the table. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(EXIT_CODES, code);
}

/**
 * An expected failure: `code` for programs, `message` for a person (what failed, why, what to do next),
 * `cause` for what lay underneath. A bug of ours is a plain Error and ends the process loudly.
 */
export class FilerError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FilerError';
    this.code = code;
  }

  /** The exit code of a command that ends with this error (design, section 10). */
  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** What the other side said is quoted in errors and log lines up to this many UTF-16 units. */
const MAX_QUOTED = 64;

/** Another machine's words as an error may quote them: cut, and well-formed so that they can travel. */
export function quoted(text: string): string {
  return text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED).toWellFormed()}…`;
}

/** The `code` of a Node system error (`ENOENT`, `EADDRINUSE`…), or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** A path that begins at an open folder: it means nothing to people, and says no name. */
const FROM_DESCRIPTOR = "'/proc/self/fd/";

/** The message of anything thrown; of a system error about something in an open folder, without the path. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message } = error;
  const at = message.indexOf(FROM_DESCRIPTOR);
  if (at < 0 || systemCode(error) === undefined || error instanceof FilerError) return message;
  // "EACCES: permission denied, open '/proc/self/fd/20/name'"
  const end = message.lastIndexOf(', ', at);
  return message.slice(0, end < 0 ? at : end);
}

/** Its stack, with the message as `messageOf` gives it; undefined for what has none. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return error.stack?.replace(error.message, () => messageOf(error));
}

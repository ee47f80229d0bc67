import { EXIT_CODES, type ErrorCode } from '@filer/protocol';

/** How one of several ended, as an exit code is made from it. */
interface Ended {
  readonly ok: boolean;
  readonly code: ErrorCode | null;
}

/**
 * The exit code of a job: 0 when all is delivered, 8 when some is, else the code of the first failure.
 *
 * @param anyDelivered whether any file reached anyone
 */
export function exitCodeOf(recipients: readonly Ended[], anyDelivered: boolean): number {
  const failed = recipients.filter((recipient) => !recipient.ok);
  const [first] = failed;
  if (first === undefined) return 0;
  if (anyDelivered || failed.length < recipients.length) return EXIT_CODES.partial;
  return EXIT_CODES[first.code ?? 'internal'];
}

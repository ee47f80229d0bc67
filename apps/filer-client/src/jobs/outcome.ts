import { EXIT_CODES } from '@filer/protocol';
import type { RecipientDone } from './send-events.ts';

/**
 * The exit code of a job: 0 when all is delivered, 8 when some is, else the code of the first failure.
 *
 * @param anyDelivered whether any file reached anyone
 */
export function exitCodeOf(recipients: readonly RecipientDone[], anyDelivered: boolean): number {
  const failed = recipients.filter((recipient) => !recipient.ok);
  const [first] = failed;
  if (first === undefined) return 0;
  if (anyDelivered || failed.length < recipients.length) return EXIT_CODES.partial;
  return EXIT_CODES[first.code ?? 'internal'];
}

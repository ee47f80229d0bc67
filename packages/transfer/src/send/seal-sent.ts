import { FilerError, formatSeal, parseSealed, verifyStageWord } from '@filer/protocol';
import type { Requests } from '../wire/requests.ts';
import type { SendOptions } from './send-options.ts';
import type { SentEntries } from './sent-entries.ts';

interface SealSentOptions extends Pick<SendOptions, 'network' | 'senderId' | 'receiverId' | 'keepStaged'> {
  readonly job: string;
  /** How many were sent. */
  readonly files: number;
  readonly entries: Pick<SentEntries, 'hasFailed'>;
  /** Resolves when the receipts that came are stored. */
  readonly settled: () => Promise<void>;
}

/**
 * Has a stage sealed, unless something of it has failed: then what is there of it stays for the next try.
 *
 * @throws FilerError `verification-failed`, and why the receiver does not seal it
 */
export async function sealSent(requests: Requests, options: SealSentOptions): Promise<void> {
  const { network, senderId: sender, receiverId: receiver, job, files, entries, settled } = options;
  if (entries.hasFailed) return;
  const word = await requests.ask(
    'sealed',
    (id) => formatSeal({ id }),
    (answer) => parseSealed(answer).word,
  );
  await settled();
  if (entries.hasFailed) return;
  verifyStageWord(word, { network, job, sender, receiver });
  if (word.state !== 'staged')
    throw new FilerError(
      'verification-failed',
      `the receiver signed that the job is ${word.state}, and not staged`,
    );
  if (word.files !== files)
    throw new FilerError(
      'verification-failed',
      `the receiver signed that ${word.files} files are staged, and ${files} were sent`,
    );
  await options.keepStaged?.(word);
}

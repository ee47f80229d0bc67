import { FilerError, messageOf, type ReceiptBatch, type ReceiptFile } from '@filer/protocol';
import { verifyReceipts } from './receipts.ts';
import { isInsideInbox } from '../disk/safe-path.ts';
import type { SentFile } from '../send/sent-file.ts';

/** What every receipt of a transfer must say. */
export type Expected = Pick<ReceiptBatch, 'network' | 'job' | 'sender' | 'receiver'>;

/**
 * Whether a batch of receipts is the receiver's, for this transfer, and for what was sent.
 *
 * @throws FilerError `verification-failed`
 */
export function checkReceipts(
  batch: ReceiptBatch,
  expected: Expected,
  sent: Pick<ReadonlyMap<number, SentFile>, 'get'>,
): void {
  for (const key of ['network', 'job', 'sender', 'receiver'] as const) {
    if (batch[key] !== expected[key]) throw wrong(`it names another ${key} (${batch[key]})`);
  }
  try {
    verifyReceipts(batch);
  } catch (error) {
    throw wrong(messageOf(error), error);
  }
  for (const file of batch.files) checkFile(file, sent.get(file.entry));
}

function checkFile(file: ReceiptFile, sent: SentFile | undefined): void {
  const ours = file.present === true ? sent?.there : sent?.end;
  if (sent === undefined || ours === undefined || sent.isProved === true)
    throw wrong(`no file numbered ${file.entry} waits for one`);
  if (file.name !== sent.source.name) throw wrong(`it gives entry ${file.entry} another name`);
  for (const key of ['size', 'digest', 'blocks'] as const) {
    if (file[key] !== ours[key]) throw wrong(`its ${key} is not that of ${JSON.stringify(file.name)}`);
  }
  if (!isInsideInbox(file.path)) throw wrong('it names no place inside an inbox');
}

function wrong(why: string, cause?: unknown): FilerError {
  return new FilerError('verification-failed', `a receipt of the receiver is wrong: ${why}`, { cause });
}

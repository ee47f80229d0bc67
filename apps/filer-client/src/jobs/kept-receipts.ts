import { FilerError } from '@filer/protocol';
import { verifyReceipts } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import type { KeptJob } from '../store/job-rows.ts';
import { shownPath, shownRequest } from './send-request.ts';
import { readKeptBatch } from './kept-batch.ts';

/** What a recipient has signed for one file. */
export interface KeptReceipt {
  readonly recipientId: string;
  /** Where it was here; `-` for standard input; its name for what was dropped in a page, and in homes of old versions. */
  readonly path: string;
  /** Whether it is a file of the user's, which may be read again. */
  readonly isKeptHere: boolean;
  /** As the sender named it. */
  readonly name: string;
  /** Relative to the receiver's inbox. Another machine's words: escape them. */
  readonly receivedAs: string;
  readonly size: number;
  readonly digest: string;
  readonly synced: boolean;
  readonly present: boolean;
  /** By the receiver's clock, ms since the epoch. */
  readonly time: number;
  readonly signatureOk: boolean;
}

/** A batch in the database that holds no receipts, or none of this job: somebody changed it. */
export interface SpoiltBatch {
  readonly recipientId: string;
  readonly spoilt: string;
}

/** The receipts of a job one by one, in order of arrival, each with whether it is what its recipient signed. */
export function* keptReceipts(
  member: Member,
  job: KeptJob,
  recipientId?: string,
): Generator<KeptReceipt | SpoiltBatch, void> {
  const request = shownRequest(job.request);
  const isKeptHere = request?.spooled !== true;
  for (const { peer, document, paths = [] } of member.receipts.of(job.id, recipientId)) {
    const batch = readKeptBatch(document);
    if (batch === undefined) {
      yield { recipientId: peer, spoilt: 'the stored receipt cannot be read' };
      continue;
    }
    const isOurs =
      batch.job === job.id &&
      batch.receiver === peer &&
      batch.sender === member.id &&
      (job.network === '' || batch.network === job.network);
    const signatureOk = isOurs && isSigned(() => verifyReceipts(batch));
    for (const [n, file] of batch.files.entries()) {
      const { name, path: receivedAs, size, digest, synced, present = false } = file;
      const path = shownPath(request, paths[n] ?? name);
      const { time } = batch;
      const proof = { size, digest, synced, present, time, signatureOk };
      yield { recipientId: peer, path, name, receivedAs, isKeptHere, ...proof };
    }
  }
}

/** Whether a check of a signature passes. */
export function isSigned(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return false;
  }
}

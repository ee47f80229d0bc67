import type { RemovedFile } from '@filer/protocol';
import { verifyRemoved } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import type { KeptJob } from '../store/job-rows.ts';
import { isSigned } from './kept-receipts.ts';

/** What a recipient has signed as removed. Names are another machine's words: escape them. */
export interface KeptRemoval {
  readonly recipientId: string;
  /** Where it was here. */
  readonly path: string;
  /** Relative to the receiver's inbox. */
  readonly receivedAs: string;
  readonly kind: RemovedFile['kind'];
  readonly size: number;
  /** By the receiver's clock, ms since the epoch. */
  readonly time: number;
  readonly signatureOk: boolean;
}

/** What recipients of a job have removed, in order of arrival, each with whether it is what was signed. */
export function* keptRemovals(
  member: Member,
  job: KeptJob,
  recipientId?: string,
): Generator<KeptRemoval, void> {
  for (const { peer, batch, paths } of member.removed.of(job.id, recipientId)) {
    if (batch === undefined) continue;
    const isOurs = batch.job === job.id && batch.receiver === peer && batch.sender === member.id;
    const signatureOk = isOurs && isSigned(() => verifyRemoved(batch));
    for (const [n, { name, path: receivedAs, kind, size }] of batch.files.entries())
      yield {
        recipientId: peer,
        path: paths[n] ?? name,
        receivedAs,
        kind,
        size,
        time: batch.time,
        signatureOk,
      };
  }
}

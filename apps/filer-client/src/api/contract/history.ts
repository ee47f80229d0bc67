import { arrayOf, count, errorCode, method } from '@filer/program';
import * as v from 'valibot';
import { job } from './send.ts';
import { jobDocument } from './transfers.ts';

/* What was sent and fetched, and what was signed for. Names that other machines gave are theirs: escape them. Fields as in
 * `history --json`. */

const about = { recipient: v.string(), recipientId: v.string() };

const failure = v.object({ ...about, path: v.string(), code: errorCode, message: v.string() });

const receipt = v.object({
  ...about,
  /** Here. */
  path: v.string(),
  /** In the receiver's inbox. */
  receivedAs: v.string(),
  size: v.number(),
  digest: v.string(),
  synced: v.boolean(),
  present: v.boolean(),
  /** By the receiver's clock. */
  time: v.string(),
  /** Whether it is what the recipient signed. */
  signatureOk: v.boolean(),
});
export type ReceiptDocument = v.InferOutput<typeof receipt>;

export const historyMethods = {
  /** Oldest first: the newest `limit` of those that are not older than `sinceMs`. */
  history: method('history', {
    access: 'read',
    params: v.object({ limit: v.optional(count), sinceMs: v.optional(count) }),
    result: v.object({ jobs: arrayOf(jobDocument) }),
  }),

  /** @param limit of failures, and of receipts; `moreFailures`, `moreReceipts`: how many are left out @default 1,000 */
  historyJob: method('history-job', {
    access: 'read',
    params: v.object({ job, limit: v.optional(count) }),
    result: v.object({
      job: jobDocument,
      failures: arrayOf(failure),
      receipts: arrayOf(receipt),
      moreFailures: v.number(),
      moreReceipts: v.number(),
    }),
  }),
};

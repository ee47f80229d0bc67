import { iso } from '@filer/program';
import type { historyMethods, ReceiptDocument } from '../../api/contract/history.ts';
import type { JobDocument } from '../../api/contract/transfers.ts';
import { findJob } from '../../jobs/find-job.ts';
import { jobDocument } from '../../jobs/job-documents.ts';
import { withoutDaemon } from '../../jobs/job-leases.ts';
import { keptReceipts } from '../../jobs/kept-receipts.ts';
import { shownPath, shownRequest } from '../../jobs/send-request.ts';
import type { KeptJob } from '../../store/job-rows.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';

type Methods = typeof historyMethods;

const JOBS = 200;
const LINES = 1_000;

/** `history` */
export const history: OperationOf<Methods['history']> = (context, { limit = JOBS, sinceMs }) => {
  const since = sinceMs === undefined ? 0 : Date.now() - sinceMs;
  return { jobs: context.member.jobs.list({ since, limit }).map((job) => documentOf(context, job)) };
};

/** `history JOB` */
export const historyJob: OperationOf<Methods['historyJob']> = (context, { job: typed, limit = LINES }) => {
  const { member } = context;
  const kept = findJob(member.jobs, typed);
  const request = shownRequest(kept.request);
  const job = documentOf(context, kept);
  const failures = job.recipients.flatMap(({ name: recipient, id: recipientId }) =>
    member.jobs.failures(kept.id, recipientId).map(({ path, ...failure }) => {
      return { recipient, recipientId, path: shownPath(request, path), ...failure };
    }),
  );
  const names = new Map(job.recipients.map(({ id, name }) => [id, name]));
  const receipts: ReceiptDocument[] = [];
  for (const each of keptReceipts(member, kept)) {
    // What is not shown is not verified either: that would hold up all else.
    if (receipts.length >= limit) break;
    if ('spoilt' in each) continue;
    const { recipientId, path, receivedAs, size, digest, synced, present, time, signatureOk } = each;
    const recipient = names.get(recipientId) ?? recipientId;
    const proof = { size, digest, synced, present, time: iso(time), signatureOk };
    receipts.push({ recipient, recipientId, path, receivedAs, ...proof });
  }
  return {
    job,
    failures: failures.slice(0, limit),
    receipts,
    moreFailures: Math.max(0, failures.length - limit),
    moreReceipts: receipts.length < limit ? 0 : member.receipts.countOf(kept.id) - receipts.length,
  };
};

function documentOf({ member, daemon }: OperationContext, job: KeptJob): JobDocument {
  const document = jobDocument(member, job);
  return daemon.isRunning ? document : withoutDaemon(document, job);
}

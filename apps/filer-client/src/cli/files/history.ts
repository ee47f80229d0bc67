import { FilerError } from '@filer/protocol';
import {
  choiceKind,
  DURATION,
  formatAgo,
  formatBytes,
  integerKind,
  iso,
  localTime,
  optional,
  printable,
  renderTable,
  type ArgumentValues,
  type Column,
  type Context,
} from '@filer/program';
import { findJob } from '../../jobs/find-job.ts';
import { isDaemonHere } from '../../api/daemon-client.ts';
import type { JobDocument } from '../../api/contract/transfers.ts';
import { jobDocument } from '../../jobs/job-documents.ts';
import { keptReceipts } from '../../jobs/kept-receipts.ts';
import { keptRemovals } from '../../jobs/kept-removals.ts';
import { releaseDeadJobs, withoutDaemon } from '../../jobs/job-leases.ts';
import { shownPath, shownRequest } from '../../jobs/send-request.ts';
import { withoutStage } from '../../jobs/stage-documents.ts';
import type { Member } from '../../network/member.ts';
import type { KeptJob } from '../../store/job-rows.ts';
import { exportReceipts } from './history-export.ts';
import { openMember } from '../home-member.ts';
import { rolloutInWords, STEP_COLUMNS, stepRows } from './release-history.ts';
import { pathsInWords, recipientInWords } from './job-messages.ts';
import { JOB, PEER } from '../arguments.ts';

export const args = {
  job: optional(JOB, 'show one job, with a line for each file'),
  sinceMs: optional(DURATION, 'only jobs that are not older, for example 7d'),
  limit: optional(integerKind({ min: 1, max: 1_000_000, example: 20 }), 'number of newest jobs to show'),
  export: optional(choiceKind(['b3sum', 'sha256sum', 'csv']), 'print the receipts of the job as a list'),
  recipient: optional(PEER, 'with --export: only receipts of this recipient'),
};
type HistoryArguments = ArgumentValues<typeof args>;

export const examples = [
  'history --since 7d',
  'history k3q9',
  'history k3q9 --export b3sum > sums && b3sum --check sums',
];

export async function run(args: HistoryArguments, context: Context): Promise<number> {
  using member = await openMember(context);
  releaseDeadJobs(member.jobs, Date.now(), { endedAt: member.clock.stamp() });
  const isRunning = await isDaemonHere(context);
  const documentOf = (each: KeptJob): JobDocument => {
    const document = jobDocument(member, each);
    return isRunning ? document : withoutDaemon(document, each);
  };
  const { job, sinceMs, limit, recipient } = args;
  if (job === undefined) {
    if (args.export !== undefined || recipient !== undefined)
      throw new FilerError(
        'usage',
        '--export and --recipient need the id of a job, `filer-client history` shows them',
      );
    const since = sinceMs === undefined ? 0 : Date.now() - sinceMs;
    showJobs(
      member.jobs.list({ since, limit }).map((each) => documentOf(each)),
      context,
    );
    return 0;
  }
  if (sinceMs !== undefined || limit !== undefined)
    throw new FilerError('usage', '--since and --limit are for the list of all jobs: leave JOB out, or them');
  const found = findJob(member.jobs, job);
  if (args.export !== undefined) return await exportReceipts(member, found, args.export, recipient, context);
  if (recipient !== undefined) throw new FilerError('usage', '--recipient needs --export');
  showJob(member, found, documentOf(found), context);
  return 0;
}

const JOB_COLUMNS: readonly Column[] = [
  { title: 'JOB', fit: 'whole' },
  { title: 'WHEN', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'TO' },
  { title: 'HAVE IT', fit: 'whole', dropOrder: 2 },
  { title: 'FILES', fit: 'whole', align: 'right', dropOrder: 3 },
  { title: 'SENT', fit: 'whole', align: 'right', dropOrder: 1 },
  { title: 'WHAT', fit: 'below' },
];

function showJobs(jobs: readonly JobDocument[], { output }: Context): void {
  output.json({ jobs });
  if (jobs.length === 0) {
    output.words('There are no jobs, or none in that time.');
    return;
  }
  const now = Date.now();
  const rows = jobs.map((job) => {
    const sum = (key: 'filesSent' | 'filesFailed' | 'bytesSent'): number =>
      job.recipients.reduce((total, recipient) => total + recipient[key], 0);
    return [
      job.job,
      formatAgo(Date.parse(job.createdAt), now),
      job.state,
      job.to.length > 0 ? job.to.join(' ') : job.recipients.map(({ name }) => name).join(' '),
      `${job.recipients.filter(({ state }) => state === 'delivered').length} of ${job.recipients.length}`,
      String(sum('filesSent')),
      formatBytes(sum('bytesSent')),
      `${pathsInWords(job)}${stagedInWords(job)}`,
    ];
  });
  output.line(renderTable(JOB_COLUMNS, rows, output.columns));
}

/** Whether what was staged has its names: `, staged`, `, release planned`. */
function stagedInWords({ stage, rollout }: JobDocument): string {
  if (!stage) return '';
  return rollout === null ? ', staged' : `, ${rollout.act} ${rollout.state}`;
}

function showJob(member: Member, kept: KeptJob, job: JobDocument, { output }: Context): void {
  output.json({ type: 'job', ...job });
  output.line(
    `${job.job}  ${job.state}  ${localTime(job.createdAt)}${job.note === '' ? '' : `  "${printable(job.note)}"`}`,
  );
  if (job.as !== null || job.shared !== null) output.line(`  ${pathsInWords(job)}`);
  else for (const path of job.paths) output.line(`  ${printable(output.path(path))}`);
  if (job.into !== null) output.line(`  into ${printable(job.into)}/`);
  const request = shownRequest(kept.request);
  const names = new Map(job.recipients.map(({ id, name }) => [id, name]));
  for (const recipient of job.recipients) {
    output.line(`${job.kind === 'get' ? 'from' : 'to'} ${recipientInWords(recipient)}`);
    for (const failure of member.jobs.failures(kept.id, recipient.id)) {
      const { code, message } = failure;
      const path = shownPath(request, failure.path);
      output.json({
        type: 'failure',
        job: kept.id,
        recipient: recipient.name,
        recipientId: recipient.id,
        path,
        code,
        message,
      });
      // Said once of all of them where it is the recipient's.
      const why = recipient.status.startsWith(message) ? '' : `: ${printable(message)}`;
      output.line(`  failed  ${printable(output.path(path))}${why}`);
    }
  }
  if (job.rollout !== null) output.line(rolloutInWords(job.rollout, job.job));
  const steps = job.recipients.flatMap(({ name, stage }) => (stage === null ? [] : stepRows(name, stage)));
  if (steps.length > 0) output.line(renderTable(STEP_COLUMNS, steps, output.columns));
  for (const receipt of keptReceipts(member, kept)) {
    const { recipientId } = receipt;
    const recipient = names.get(recipientId) ?? recipientId;
    if ('spoilt' in receipt) {
      output.json({ type: 'spoilt', job: kept.id, recipient, recipientId, message: receipt.spoilt });
      output.line(`${recipient}  ${receipt.spoilt}`);
      continue;
    }
    const { path, receivedAs, size, digest, synced, present, time, signatureOk } = receipt;
    output.json({
      type: 'receipt',
      job: kept.id,
      recipient,
      recipientId,
      path,
      receivedAs,
      size,
      digest,
      synced,
      present,
      time: iso(time),
      signatureOk,
    });
    const proof = signatureOk ? 'signed' : 'NOT what was signed';
    output.line(
      `${recipient} ${job.stage ? 'got' : 'has'} ${printable(withoutStage(receivedAs))} (${formatBytes(size)}, ${digest.slice(0, 19)}…), ${proof}`,
    );
  }
  for (const removal of keptRemovals(member, kept)) {
    const { recipientId, receivedAs, signatureOk } = removal;
    const recipient = names.get(recipientId) ?? recipientId;
    output.json({ type: 'removed', job: kept.id, recipient, ...removal, time: iso(removal.time) });
    const proof = signatureOk ? 'signed' : 'NOT what was signed';
    output.line(
      `${recipient} has removed ${printable(receivedAs)}${removal.kind === 'dir' ? '/' : ''}, ${proof}`,
    );
  }
}

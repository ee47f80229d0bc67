import { FilerError, Session } from '@filer/protocol';
import type { sendMethods } from '../../api/contract/send.ts';
import type { JobDocument, transferMethods, VerifyTrouble } from '../../api/contract/transfers.ts';
import { keptGet } from '../../jobs/kept-get.ts';
import { findJob } from '../../jobs/find-job.ts';
import { jobDocument } from '../../jobs/job-documents.ts';
import { withoutDaemon } from '../../jobs/job-leases.ts';
import { namedPaths, parseKeptRequest, pulledPath, type SendRequest } from '../../jobs/send-request.ts';
import { requireWhole } from '../../send/spool-folder.ts';
import { verifyJob } from '../../verify/verify-job.ts';
import { notJoinedAnyLonger } from '../../network/member.ts';
import { reachPeer } from '../../network/reach-peer.ts';
import type { KeptJob } from '../../store/job-rows.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { Deadline, serverUpToDate } from './deadline.ts';
import { finish, followJob } from './follow-job.ts';
import { inOrder } from './in-order.ts';

/** `transfers` */
export const transfers: OperationOf<typeof transferMethods.transfers> = ({ member, jobs, daemon }) => {
  jobs.noteProgress();
  const progressOf = jobs.progressOf.bind(jobs);
  // What runs shows who its peers are now; the history shows what they were called then.
  const fromNow = <T extends { readonly from: string; readonly fromId: string }>(each: T): T => {
    return { ...each, from: member.nameOf({ id: each.fromId, name: each.from }) };
  };
  const namedNow = (job: JobDocument): JobDocument => {
    return {
      ...job,
      recipients: job.recipients.map((each) => ({ ...each, name: member.nameOf(each) })),
    };
  };
  return {
    outgoing: member.jobs
      .open()
      // A get that runs is shown with what is fetched.
      .filter((job) => job.state === 'paused' || keptGet(job) === undefined)
      .map((job) => {
        const document = namedNow(jobDocument(member, job, progressOf));
        return daemon.isRunning ? document : withoutDaemon(document, job);
      }),
    incoming: daemon.incoming().map(fromNow),
    fetching: [...daemon.gets].map(({ document }) => fromNow(document)),
    serving: daemon.serving().map((each) => {
      return { ...each, to: member.nameOf({ id: each.toId, name: each.to }) };
    }),
  };
};

/** `retry JOB`: tells what `send` tells. */
export const retry: OperationOf<typeof sendMethods.retry> = async (context, params, { emit, signal }) => {
  const job = jobOf(context, params.job);
  if (keptGet(job) !== undefined)
    throw new FilerError(
      'unsupported',
      `job ${job.id} is a get: call \`get\` with its id, as \`filer-client retry\` does`,
    );
  const request = requireRepeatable(context, job);
  const summed = params.summed === true ? namedPaths(request) : undefined;
  await context.daemon.prepareTransfers();
  await context.jobs.stopped(job.id);
  return await followJob(emit, summed, (tell) => finish(context.jobs.retry(job.id, tell), signal));
};

/** @returns what is sent again @throws FilerError when a job cannot be repeated from here */
function requireRepeatable(context: OperationContext, job: KeptJob): SendRequest {
  if (pulledPath(job.request) !== undefined) {
    const [who] = context.member.jobs.deliveries(job.id);
    if (who !== undefined && context.member.isServer(who.peer)) {
      throw new FilerError(
        'usage',
        `job ${job.id} is what the ip-server collected from here: it asks again automatically, or by "ip-server collect run NAME" there`,
      );
    }
    throw new FilerError(
      'usage',
      `job ${job.id} is what ${who?.name ?? 'somebody'} fetched from here: it can be repeated only there, with \`filer-client get\``,
    );
  }
  if (job.network !== '' && job.network !== context.member.network) {
    throw new FilerError(
      'not-a-member',
      `job ${job.id} was made in another network, which this machine has left: send the files again`,
    );
  }
  const isOpen = context.member.jobs.deliveries(job.id).some(({ state }) => state !== 'delivered');
  const request = parseKeptRequest(job.request);
  if (request.spooled && isOpen) requireWhole(request);
  return request;
}

/** `cancel JOB` */
export const cancel: OperationOf<typeof sendMethods.cancel> = async (context, params) => {
  const job = jobOf(context, params.job);
  requireState(job, ['running', 'queued', 'paused', 'interrupted'], 'runs or waits');
  return { job: job.id, recipients: await context.jobs.halt(job.id, 'cancelled') };
};

/** `pause JOB` */
export const pause: OperationOf<typeof sendMethods.pause> = async (context, params) => {
  const job = jobOf(context, params.job);
  requireState(job, ['running', 'queued', 'interrupted'], 'runs or waits');
  return { job: job.id, recipients: await context.jobs.halt(job.id, 'paused') };
};

/** `resume JOB` */
export const resume: OperationOf<typeof sendMethods.resume> = async (context, params) => {
  const job = jobOf(context, params.job);
  context.daemon.requireRunning(
    `job ${job.id} can continue in the background only while a daemon runs here (\`filer-client retry ${job.id}\` continues it without one)`,
  );
  if (params.ended !== true) requireState(job, ['paused'], 'is paused');
  else if (job.state === 'done')
    throw new FilerError('no-such-job', `job ${job.id} is done: there is nothing to resume`);
  else requireState(job, ['paused', 'failed', 'cancelled', 'interrupted'], 'can be resumed now');
  const which = job.state === 'paused' ? 'paused' : 'undelivered';
  requireRepeatable(context, job);
  await context.daemon.prepareTransfers();
  return { job: job.id, recipients: await context.jobs.resume(job.id, which) };
};

/** @throws FilerError `no-such-job` */
function requireState({ id, state }: KeptJob, states: readonly KeptJob['state'][], words: string): void {
  if (!states.includes(state))
    throw new FilerError('no-such-job', `nothing of job ${id} ${words}: it is ${state}`);
}

/** `verify JOB [--ask]`: tells what is not as it should be. */
export const verify: OperationOf<typeof transferMethods.verify> = async (
  context,
  params,
  { emit, signal },
) => {
  const { member, daemon, access } = context;
  const { ask: asks = false, timeoutMs } = params;
  using deadline = new Deadline(timeoutMs, signal);
  const job = jobOf(context, params.job);
  if (keptGet(job) !== undefined)
    throw new FilerError(
      'usage',
      `job ${job.id} fetched files to this machine, and each was verified when it arrived: receipts are for what was sent`,
    );
  const reach = async (peerId: string): Promise<{ session: Session; close: () => Promise<void> }> => {
    if (member.isServer(peerId))
      throw new FilerError(
        'unsupported',
        'the server cannot be asked: run "ip-server collect show NAME" there',
      );
    const kept = daemon.sessionWith(peerId);
    if (kept !== undefined) return { session: kept, close: () => Promise.resolve() };
    const peer = member.directory.byId(peerId);
    if (peer === undefined) throw new FilerError('no-such-peer', 'it is not in the directory any more');
    const { messenger } = await reachPeer(context, peer, { purpose: 'session' }, { signal: deadline.signal });
    const session = new Session(messenger);
    return { session, close: () => deadline.close(session) };
  };
  if (asks && member.hasLeft) throw notJoinedAnyLonger(member.membership);
  if (asks) await serverUpToDate(access, deadline, signal);
  const tell = inOrder<VerifyTrouble>((troubles) => emit(...troubles));
  try {
    return await verifyJob({
      member,
      job,
      reach: asks ? reach : undefined,
      emit: tell.emit,
      deadline: deadline.signal,
      signal,
    });
  } finally {
    await tell.done();
  }
};

function jobOf({ member }: OperationContext, typed: string): KeptJob {
  return findJob(member.jobs, typed);
}

import { fieldsOf, FilerError, Session, textOf } from '@filer/protocol';
import { findJob } from '../../jobs/find-job.ts';
import type { FetchingDocument } from '../../jobs/get-events.ts';
import type { ServingDocument } from '../../jobs/fetch-server.ts';
import type { IncomingTransfer } from '../../jobs/intake.ts';
import { jobDocument, type JobDocument } from '../../jobs/job-documents.ts';
import { namedPaths, parseKeptRequest, pulledPath } from '../../jobs/send-request.ts';
import { requireWhole } from '../../jobs/spool-folder.ts';
import { verifyJob, type VerifyTrouble } from '../../jobs/verify-job.ts';
import { refresh } from '../../network/command-access.ts';
import { reachPeer } from '../../network/reach-peer.ts';
import type { KeptJob } from '../../store/job-rows.ts';
import type { Operation, Site } from '../site.ts';
import { finish, followJob } from './follow-job.ts';
import { inOrder } from './in-order.ts';

/** What runs and waits. */
export interface Transfers {
  readonly outgoing: readonly JobDocument[];
  readonly incoming: readonly IncomingTransfer[];
  readonly fetching: readonly FetchingDocument[];
  readonly serving: readonly ServingDocument[];
}

/** `transfers` */
export const transfers: Operation = ({ member, jobs, daemon }) => {
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
  const result: Transfers = {
    outgoing: member.jobs.open().map((job) => namedNow(jobDocument(member.jobs, job, progressOf))),
    incoming: (daemon?.incoming() ?? []).map(fromNow),
    fetching: [...(daemon?.gets ?? [])].map(({ document }) => fromNow(document)),
    serving: (daemon?.serving() ?? []).map((each) => {
      return { ...each, to: member.nameOf({ id: each.toId, name: each.to }) };
    }),
  };
  return Promise.resolve(result);
};

/** `retry JOB`: tells what `send` tells. */
export const retry: Operation = (site, params, { emit, signal }) => {
  const job = jobOf(site, params);
  if (pulledPath(job.request) !== undefined) {
    const [who] = site.member.jobs.deliveries(job.id);
    if (who?.peer === site.member.server.id) {
      throw new FilerError(
        'usage',
        `job ${job.id} is what the ip-server collected from here: it asks again by itself, or by "ip-server collect run NAME" there`,
      );
    }
    throw new FilerError(
      'usage',
      `job ${job.id} is what ${who?.name ?? 'somebody'} fetched from here: only there it is done again, with \`filer-client get\``,
    );
  }
  if (job.network !== '' && job.network !== site.member.network) {
    throw new FilerError(
      'not-a-member',
      `job ${job.id} was made in another network, of which this machine is no member any more: send the files anew`,
    );
  }
  const request = parseKeptRequest(job.request);
  const isOpen = site.member.jobs.deliveries(job.id).some(({ state }) => state !== 'delivered');
  if (request.spooled && isOpen) requireWhole(request.paths);
  const summed = fieldsOf(params, 'retry')['summed'] === true ? namedPaths(request) : undefined;
  return followJob(emit, summed, (tell) => finish(site.jobs.retry(job.id, tell), signal));
};

/** `cancel JOB` */
export const cancel: Operation = async (site, params) => {
  const job = jobOf(site, params);
  if (job.state !== 'running' && job.state !== 'queued') {
    throw new FilerError('no-such-job', `nothing of job ${job.id} runs or waits: it is ${job.state}`);
  }
  const recipients = await site.jobs.cancel(job.id);
  return { job: job.id, recipients };
};

/** `verify JOB [--ask]`: tells what is not as it should be. */
export const verify: Operation = async (site, params, { emit, signal }) => {
  const { member, daemon } = site;
  const job = jobOf(site, params);
  const reach = async (peerId: string): Promise<{ session: Session; close: () => Promise<void> }> => {
    if (peerId === member.server.id)
      throw new FilerError('unsupported', 'it says there what it has: "ip-server collect show NAME"');
    const kept = daemon?.sessionWith(peerId);
    if (kept !== undefined) return { session: kept, close: () => Promise.resolve() };
    const peer = member.directory.byId(peerId);
    if (peer === undefined) throw new FilerError('no-such-peer', 'the directory does not know it any more');
    const { messenger } = await reachPeer(site, peer, { purpose: 'session' }, signal);
    const session = new Session(messenger);
    return { session, close: () => session.close() };
  };
  const asks = fieldsOf(params, 'verify')['ask'] === true;
  if (asks && daemon === undefined) await refresh(site.access, signal);
  const tell = inOrder<VerifyTrouble>(emit);
  try {
    return await verifyJob({ member, job, reach: asks ? reach : undefined, emit: tell.emit, signal });
  } finally {
    await tell.done();
  }
};

function jobOf({ member }: Site, params: unknown): KeptJob {
  return findJob(member.jobs, textOf(fieldsOf(params, 'job')['job'], 'JOB', { max: 64 }));
}

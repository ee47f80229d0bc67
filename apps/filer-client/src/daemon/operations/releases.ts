import { EXIT_CODES, FilerError, pause } from '@filer/protocol';
import { iso, localTime } from '@filer/program';
import type { releaseMethods, RolloutDone } from '../../api/contract/releases.ts';
import { findJob } from '../../jobs/find-job.ts';
import { keptGet } from '../../jobs/kept-get.ts';
import { shownRequest } from '../../jobs/send-request.ts';
import { recipientStage } from '../../jobs/stage-documents.ts';
import { isFailed } from '../../send/rollouts.ts';
import { parseWaves } from '../../send/waves.ts';
import type { KeptDelivery, KeptJob } from '../../store/job-rows.ts';
import { WITHDRAWN, type JobStage, type Rollout, type RolloutAct } from '../../store/release-store.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { findRecipients } from './recipients.ts';

/** How often the ledger is looked at, in ms. */
const LOOK_EVERY_MS = 100;

/** A release is planned for so far ahead at most, in ms. */
const MAX_AHEAD_MS = 366 * 24 * 3_600_000;

/** Deliveries whose recipients have it, or will. */
const COMING = ['delivered', 'queued', 'running', 'paused', 'interrupted'];

/** `release JOB`, `rollback JOB` */
export const rollout: OperationOf<typeof releaseMethods.rollout> = async (
  context,
  params,
  { emit, signal },
) => {
  const { member, rollouts, daemon } = context;
  const over = AbortSignal.any([signal, rollouts.ending]);
  const { act, to = [], waves: typed = [], pauseMs = 0, keep = 1 } = params;
  const job = findJob(member.jobs, params.job);
  requireStaged(job);
  const now = Date.now();
  const dueAt = params.at === undefined ? now : readTime(params.at, now);
  const isLater = dueAt > now;
  if (isLater) daemon.requireRunning('a release at a later time is made by the daemon, and none runs here');
  await context.access.upToDate(signal).catch((error: unknown) => {
    if (!(error instanceof FilerError) || signal.aborted) throw error;
  });
  const meant = await meantOf(context, job, to, signal);
  if (act === 'release') requireNoPlan(context, job, meant);
  const stages = stagesOf(context, job, act, meant);
  const ordered = stages.toSorted((a, b) => Number(isBehind(context, a)) - Number(isBehind(context, b)));
  const ends = parseWaves(typed, ordered.length);
  const waves = ends.map((end, n) => ordered.slice(ends[n - 1] ?? 0, end).map(({ peer }) => peer));
  rollouts.begin({ job: job.id, act, pauseMs, dueAt }, waves, keep);
  const { number } = rolloutOf(context, job.id);
  if (isLater) return documentOf(context, job.id, 'planned');
  const told = new Map<string, string>();
  const tell = async (): Promise<void> => {
    for (const stage of member.releases.of(job.id)) {
      if (stage.rollout !== number) continue;
      const document = recipientStage(member.releases, stage, !isFailed(stage));
      const item = { type: 'stage', job: job.id, ...document } as const;
      const text = JSON.stringify(item);
      if (told.get(stage.peer) === text) continue;
      const isFirst = !told.has(stage.peer);
      told.set(stage.peer, text);
      if (!isFirst || stage.wanted === undefined || stage.status !== '') await emit(item);
    }
  };
  const look = (): Rollout => {
    const kept = rolloutOf(context, job.id);
    if (kept.number === number) return kept;
    throw new FilerError(
      'interrupted',
      `a newer ${kept.act} of job ${job.id} took the place of this ${act}: \`filer-client history ${job.id}\` shows how each machine stands`,
    );
  };
  for (let kept = look(); kept.state === 'running'; kept = look()) {
    await tell();
    await pause(LOOK_EVERY_MS, over);
    over.throwIfAborted();
    if (!daemon.isRunning) rollouts.look();
  }
  await tell();
  return documentOf(context, job.id);
};

/** `release JOB --withdraw`, `rollback JOB --withdraw` */
export const withdrawRollout: OperationOf<typeof releaseMethods.withdrawRollout> = async (
  context,
  { job: named, act, to = [] },
  { signal },
) => {
  const { member, rollouts } = context;
  const job = findJob(member.jobs, named);
  requireStaged(job);
  const meant = new Set((await meantOf(context, job, to, signal)).map(({ peer }) => peer));
  const waiting = member.releases.of(job.id).filter(({ peer, wanted }) => wanted === act && meant.has(peer));
  if (waiting.length === 0)
    throw new FilerError(
      'usage',
      `no ${act} of job ${job.id} is planned or waits${to.length > 0 ? ` at ${to.join(', ')}` : ''}: there is nothing to withdraw`,
    );
  rollouts.withdraw(
    job.id,
    act,
    waiting.map(({ peer }) => peer),
  );
  return { ...documentOf(context, job.id), ok: true, exitCode: 0 };
};

/** A part of what is planned is not released before: the rest would be forgotten. @throws FilerError `usage` */
function requireNoPlan({ member }: OperationContext, { id }: KeptJob, meant: readonly KeptDelivery[]): void {
  const rollout = member.releases.rollout(id);
  if (rollout?.state !== 'running' || rollout.wave > 1 || rollout.dueAt <= Date.now()) return;
  const peers = new Set(meant.map(({ peer }) => peer));
  const left = member.releases
    .of(id)
    .filter(
      ({ peer, wanted, rollout: number }) =>
        number === rollout.number && wanted !== undefined && !peers.has(peer),
    );
  if (left.length === 0) return;
  throw new FilerError(
    'usage',
    `a ${rollout.act} of job ${id} is planned for ${localTime(rollout.dueAt)} at ${left[0]?.name}${left.length > 1 ? ` and ${left.length - 1} more` : ''}: withdraw it first with \`filer-client ${rollout.act} ${id} --withdraw\``,
  );
}

/** @throws FilerError `usage` for a job of which nothing is staged */
function requireStaged(job: KeptJob): void {
  if (keptGet(job) === undefined && shownRequest(job.request)?.stage === true) return;
  throw new FilerError(
    'usage',
    `job ${job.id} was not sent with --stage: there is nothing to release or to roll back`,
  );
}

/** @throws FilerError `usage` */
function readTime(typed: string, now: number): number {
  const time = Date.parse(typed);
  if (Number.isNaN(time))
    throw new FilerError(
      'usage',
      `--at ${JSON.stringify(typed)} is no time, such as 2026-12-24T03:00 or 03:00`,
    );
  if (time < now) throw new FilerError('usage', `--at ${localTime(time)} is over: leave it out to begin now`);
  if (time > now + MAX_AHEAD_MS)
    throw new FilerError('usage', `--at ${localTime(time)} is more than a year ahead`);
  return time;
}

/** Of whom a person speaks, of the recipients of a job. @throws FilerError `no-such-peer` */
async function meantOf(
  context: OperationContext,
  job: KeptJob,
  to: readonly string[],
  signal: AbortSignal,
): Promise<readonly KeptDelivery[]> {
  const deliveries = context.member.jobs.deliveries(job.id);
  if (to.length === 0) return deliveries;
  const ids = new Set((await findRecipients(context, to, signal)).map(({ id }) => id));
  const meant = deliveries.filter(({ peer }) => ids.has(peer));
  if (meant.length > 0) return meant;
  throw new FilerError(
    'no-such-peer',
    `job ${job.id} was not sent to ${to.join(', ')}: it went to ${deliveries.map(({ name }) => name).join(', ')}`,
  );
}

/** @throws FilerError `usage` where no one has anything to release */
function stagesOf(
  { member }: OperationContext,
  job: KeptJob,
  act: RolloutAct,
  meant: readonly KeptDelivery[],
): readonly JobStage[] {
  for (const { peer: id, name, state } of meant)
    if (act === 'release' && COMING.includes(state)) member.releases.expect(job.id, { id, name });
  const ids = new Set(meant.map(({ peer }) => peer));
  const stages = member.releases
    .of(job.id)
    .filter((stage) => ids.has(stage.peer) && (act === 'release' || mayBeReleased(stage)));
  if (stages.length > 0) return stages;
  throw new FilerError(
    'usage',
    act === 'release'
      ? `no machine has job ${job.id} staged: \`filer-client history ${job.id}\` shows why`
      : `job ${job.id} was not released anywhere: there is nothing to roll back`,
  );
}

/** One that was asked to, and of which no answer came, may have released it too: it tells when it is asked to roll back. */
function mayBeReleased({ word, wanted, code }: JobStage): boolean {
  if (word === undefined) return false;
  return word.state !== 'staged' || wanted !== undefined || code !== undefined;
}

function isBehind({ rollouts }: OperationContext, { peer, word }: JobStage): boolean {
  return word === undefined || rollouts.isAway(peer);
}

function rolloutOf({ member }: OperationContext, job: string): Rollout {
  const found = member.releases.rollout(job);
  if (found === undefined) throw new FilerError('no-such-job', `the release of job ${job} was forgotten`);
  return found;
}

function documentOf(context: OperationContext, job: string, as?: 'planned'): RolloutDone {
  const { member } = context;
  const { number, act, state, wave, waves, dueAt, status } = rolloutOf(context, job);
  // The wave of an older one says nothing now.
  const all = member.releases
    .of(job)
    .map((stage) => (stage.rollout === number ? stage : { ...stage, wave: 0 }));
  const inWaves = all.filter((stage) => stage.wave > 0);
  const failed = inWaves.filter((stage) => isFailed(stage) || stage.code !== undefined);
  const isDone = inWaves.some(({ wanted, code }) => wanted === undefined && code === undefined);
  const [first] = failed;
  const isStopped = state === 'stopped';
  const without = isStopped && status === WITHDRAWN ? 'interrupted' : 'timed-out';
  const code = first?.code ?? (first?.hook?.state === 'failed' ? 'partial' : without);
  const exitCode =
    as === 'planned' || (failed.length === 0 && !isStopped)
      ? 0
      : isDone
        ? EXIT_CODES.partial
        : EXIT_CODES[code];
  const ends = isStopped
    ? 'stopped'
    : inWaves.some(({ wanted }) => wanted !== undefined)
      ? 'waiting'
      : 'done';
  return {
    type: 'done',
    job,
    act,
    state: as ?? ends,
    ok: exitCode === 0,
    exitCode,
    wave,
    waves,
    at: as === undefined ? null : iso(dueAt),
    status,
    recipients: all.map((stage) =>
      recipientStage(member.releases, stage, !isFailed(stage) && stage.code === undefined),
    ),
  };
}

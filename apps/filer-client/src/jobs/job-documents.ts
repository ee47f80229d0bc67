import { iso } from '@filer/program';
import { countsBy } from '../api/contract/counts.ts';
import type { JobStore } from '../store/job-store.ts';
import type { StageDocument } from '../api/contract/releases.ts';
import type { ReleaseStore } from '../store/release-store.ts';
import type { KeptDelivery, KeptJob } from '../store/job-rows.ts';
import type { JobDocument, ProgressDocument, RecipientDocument } from '../api/contract/transfers.ts';
import { keptGet } from './kept-get.ts';
import { rolloutDocument, stageDocument } from './stage-documents.ts';
import { namedPaths, pulledPath, SEND_DEFAULTS, shownRequest } from './send-request.ts';

/** Where jobs stand, and what of them is staged. */
export interface Stores {
  readonly jobs: JobStore;
  readonly releases: Pick<ReleaseStore, 'one' | 'steps' | 'rollout'>;
}

export function jobDocument(
  { jobs, releases }: Stores,
  job: KeptJob,
  progressOf: (job: string, peerId: string) => ProgressDocument | null = () => null,
): JobDocument {
  const request = shownRequest(job.request);
  const { as, into, to, note, watch, mirror, stage } = request ?? SEND_DEFAULTS;
  const got = keptGet(job);
  const shared = got?.source ?? pulledPath(job.request);
  return {
    job: job.id,
    state: request === undefined ? 'damaged' : job.state,
    queue: job.queue,
    createdAt: iso(job.createdAt),
    startedAt: timeOf(job.startedAt),
    finishedAt: timeOf(job.finishedAt),
    kind: got !== undefined ? 'get' : shared === undefined ? 'send' : 'pull',
    shared: shared ?? null,
    watch: watch === 0 ? null : String(watch),
    paths: request === undefined ? [] : namedPaths(request),
    as: as === '' ? null : as,
    into: into === '' ? null : into,
    mirror,
    stage,
    rollout: stage ? rolloutDocument(releases.rollout(job.id)) : null,
    to,
    note,
    recipients: jobs.deliveries(job.id).map((delivery) => {
      const { peer } = delivery;
      const kept = stage ? releases.one(job.id, peer) : undefined;
      const staged = kept === undefined ? null : stageDocument(kept, releases.steps(job.id, peer));
      return recipientDocument(delivery, staged, progressOf(job.id, peer));
    }),
  };
}

function recipientDocument(
  delivery: KeptDelivery,
  stage: StageDocument | null,
  progress: ProgressDocument | null,
): RecipientDocument {
  const { name, peer: id, state, code = null, status } = delivery;
  return {
    name,
    id,
    state,
    code,
    status,
    connection: delivery.path ?? null,
    ...countsBy((key) => delivery[key]),
    stage,
    progress,
    startedAt: timeOf(delivery.startedAt),
    finishedAt: timeOf(delivery.finishedAt),
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}

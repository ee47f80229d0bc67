import type { ErrorCode } from '@filer/protocol';
import { iso } from '@filer/program';
import type { JobStore } from '../store/job-store.ts';
import type { DeliveryState, JobState, KeptDelivery, KeptJob } from '../store/job-rows.ts';
import type { ProgressDocument } from './live-progress.ts';
import { namedPaths, shownRequest, pulledPath } from './send-request.ts';

/*
 * Jobs as `transfers --json` and `history --json` tell of them. Names of fields are a contract (docs/cli.md).
 */

export interface RecipientDocument {
  readonly name: string;
  readonly id: string;
  readonly state: DeliveryState;
  readonly code: ErrorCode | null;
  /** In words. */
  readonly status: string;
  readonly filesSent: number;
  readonly filesSkipped: number;
  readonly filesKept: number;
  readonly filesFailed: number;
  readonly bytesSent: number;
  readonly bytesTotal: number;
  /** Of one that is served by the process that was asked; else null. */
  readonly progress: ProgressDocument | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export interface JobDocument {
  readonly job: string;
  readonly state: JobState;
  readonly queue: boolean;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** `pull` for what somebody fetched from a share of this machine. */
  readonly kind: 'send' | 'pull';
  /** Of a `pull`: what it was, `SHARE/path/below`; else null. */
  readonly shared: string | null;
  /** The id of the watch that made it; then `paths` is its folder, of which some files go. Else null. */
  readonly watch: string | null;
  /** Absolute, here; `-` for standard input. */
  readonly paths: readonly string[];
  /** The name that the one path got; null for its own. */
  readonly as: string | null;
  readonly to: readonly string[];
  readonly note: string;
  readonly recipients: readonly RecipientDocument[];
}

/** Of a request that cannot be read. */
const NOTHING = { as: '', to: [], note: '', watch: 0 };

export function jobDocument(
  jobs: JobStore,
  job: KeptJob,
  progressOf: (job: string, peerId: string) => ProgressDocument | null = () => null,
): JobDocument {
  const request = shownRequest(job.request);
  const { as, to, note, watch } = request ?? NOTHING;
  const shared = pulledPath(job.request);
  return {
    job: job.id,
    state: request === undefined ? 'damaged' : job.state,
    queue: job.queue,
    createdAt: iso(job.createdAt),
    startedAt: timeOf(job.startedAt),
    finishedAt: timeOf(job.finishedAt),
    kind: shared === undefined ? 'send' : 'pull',
    shared: shared ?? null,
    watch: watch === 0 ? null : String(watch),
    paths: request === undefined ? [] : namedPaths(request),
    as: as === '' ? null : as,
    to,
    note,
    recipients: jobs
      .deliveries(job.id)
      .map((delivery) => recipientDocument(delivery, progressOf(job.id, delivery.peer))),
  };
}

function recipientDocument(delivery: KeptDelivery, progress: ProgressDocument | null): RecipientDocument {
  const { name, peer: id, state, code = null, status } = delivery;
  const { filesSent, filesSkipped, filesKept, filesFailed, bytesSent, bytesTotal } = delivery;
  return {
    name,
    id,
    state,
    code,
    status,
    filesSent,
    filesSkipped,
    filesKept,
    filesFailed,
    bytesSent,
    bytesTotal,
    progress,
    startedAt: timeOf(delivery.startedAt),
    finishedAt: timeOf(delivery.finishedAt),
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}

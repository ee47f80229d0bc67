import type { ErrorCode } from '@filer/protocol';
import type { JobStore } from '../store/job-store.ts';
import type { DeliveryState, JobState, KeptDelivery, KeptJob } from '../store/job-rows.ts';
import { parseKeptRequest } from './send-request.ts';

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
  /** Absolute, here. */
  readonly paths: readonly string[];
  readonly to: readonly string[];
  readonly note: string;
  readonly recipients: readonly RecipientDocument[];
}

export function jobDocument(jobs: JobStore, job: KeptJob): JobDocument {
  const { paths, to, note } = parseKeptRequest(job.request);
  return {
    job: job.id,
    state: job.state,
    queue: job.queue,
    createdAt: new Date(job.createdAt).toISOString(),
    startedAt: timeOf(job.startedAt),
    finishedAt: timeOf(job.finishedAt),
    paths,
    to,
    note,
    recipients: jobs.deliveries(job.id).map(recipientDocument),
  };
}

function recipientDocument(delivery: KeptDelivery): RecipientDocument {
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
    startedAt: timeOf(delivery.startedAt),
    finishedAt: timeOf(delivery.finishedAt),
  };
}

function timeOf(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

import { isErrorCode, type ErrorCode } from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
import { countsBy, DELIVERY_STATES, type DeliveryCounts } from '../api/contract/counts.ts';

const JOB_STATES = ['queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'interrupted'] as const;

/** `queued`: some recipient waits, and none is served now. `paused`: a person stopped it for now. `damaged`: its row cannot be read. */
export type JobState = (typeof JOB_STATES)[number] | 'damaged';

/** How one recipient of a job stands. */
export type DeliveryState = (typeof DELIVERY_STATES)[number] | 'damaged';

export interface KeptJob {
  readonly id: string;
  /** Times are ms since the epoch. */
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly network: string;
  /** Whether it waits for recipients that are not there. */
  readonly queue: boolean;
  /** What was asked, as JSON. */
  readonly request: string;
  readonly state: JobState;
  /** The process that runs it. @see owners.ts of the jobs */
  readonly owner: string;
  readonly ownerSeenAt: number;
}

export interface KeptDelivery extends DeliveryCounts {
  readonly job: string;
  readonly peer: string;
  /** The name that the recipient had when the job was made. */
  readonly name: string;
  readonly state: DeliveryState;
  /** What went wrong last; undefined when nothing did. */
  readonly code: ErrorCode | undefined;
  /** In words. */
  readonly status: string;
  /** On which path it was reached last; undefined before it was. */
  readonly path: string | undefined;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

/** How a recipient stands after it was served, or why it is not served. */
export interface DeliveryEnd {
  readonly state: Exclude<DeliveryState, 'running'>;
  readonly code: ErrorCode | undefined;
  readonly status: string;
  readonly counts?: DeliveryCounts;
  /** On which path it was reached last. */
  readonly path?: string | undefined;
  readonly failures?: readonly FailedFile[];
}

/** What ran or waited in a network that this machine has left. */
export const LEFT_BEHIND: DeliveryEnd = {
  state: 'failed',
  code: 'not-a-member',
  status: 'this machine has left the network in which it was asked to go',
};

export interface FailedFile {
  /** Here. */
  readonly path: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export const COUNT_COLUMNS: Readonly<Record<keyof DeliveryCounts, string>> = {
  filesSent: 'files_sent',
  filesSkipped: 'files_skipped',
  filesKept: 'files_kept',
  filesFailed: 'files_failed',
  filesRemoved: 'files_removed',
  linksLeftOut: 'links_left_out',
  bytesSent: 'bytes_sent',
  bytesTotal: 'bytes_total',
};

export function readJob(row: Record<string, unknown>): KeptJob {
  return {
    id: textIn(row, 'id'),
    createdAt: integerIn(row, 'created_at'),
    startedAt: timeOf(row, 'started_at'),
    finishedAt: timeOf(row, 'finished_at'),
    network: textIn(row, 'network'),
    queue: integerIn(row, 'queue') === 1,
    request: textIn(row, 'request'),
    state: stateOf(JOB_STATES, textIn(row, 'state')),
    owner: textIn(row, 'owner'),
    ownerSeenAt: integerIn(row, 'owner_seen_at'),
  };
}

export function readDelivery(row: Record<string, unknown>): KeptDelivery {
  return {
    job: textIn(row, 'job'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    state: stateOf(DELIVERY_STATES, textIn(row, 'state')),
    code: row['code'] === null ? undefined : readCode(textIn(row, 'code')),
    status: textIn(row, 'status'),
    path: row['path'] === null ? undefined : textIn(row, 'path'),
    ...countsBy((key) => integerIn(row, COUNT_COLUMNS[key])),
    startedAt: timeOf(row, 'started_at'),
    finishedAt: timeOf(row, 'finished_at'),
  };
}

/** One row that cannot be read costs none of the others. */
function stateOf<T extends string>(all: readonly T[], value: string): T | 'damaged' {
  return all.find((each) => each === value) ?? 'damaged';
}

export function readCode(code: string): ErrorCode {
  return isErrorCode(code) ? code : 'internal';
}

function timeOf(row: Record<string, unknown>, column: string): number | undefined {
  return row[column] === null ? undefined : integerIn(row, column);
}

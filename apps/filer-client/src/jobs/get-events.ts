import type { ProgressDocument } from './live-progress.ts';
import type { FileOutcome, JobStarted, Progress, RecipientDone, Retrying, SendDone } from './send-events.ts';

/*
 * What a get tells while it runs: the lines of `get --json`, with the fields of `send --json`; the recipient is this
 * machine. Names of fields are a contract (docs/cli.md).
 */

/** Whose share it comes from. */
export interface Owner {
  readonly name: string;
  readonly id: string;
}

export interface GetStarted extends Omit<JobStarted, 'queue'> {
  readonly from: Owner;
}

/** Another get of the same thing into the same place runs: this one waits for it. */
export interface Waiting {
  readonly type: 'waiting';
  readonly job: string;
  readonly path: string;
}

/** `--dry-run`: one thing that would be fetched, if it is not here already. */
export interface WouldGet {
  readonly type: 'would-get';
  readonly path: string;
  readonly kind: string;
  readonly size: number;
}

export interface GetDone extends SendDone {
  readonly from: Owner;
  /** Where it lies now, absolute. */
  readonly path: string;
  readonly recipients: readonly [RecipientDone];
}

/** One that runs now, as `transfers --json` tells it. */
export interface FetchingDocument {
  readonly from: string;
  readonly fromId: string;
  /** `SHARE/path/below` at the peer. */
  readonly path: string;
  /** Absolute, here. */
  readonly dest: string;
  readonly since: string;
  readonly progress: ProgressDocument | null;
}

export type GetEvent = GetStarted | Progress | FileOutcome | Retrying | Waiting | WouldGet;

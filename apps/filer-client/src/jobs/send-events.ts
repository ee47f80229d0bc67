import type { ErrorCode } from '@filer/protocol';
import type { DeliveryState } from '../store/job-rows.ts';

/*
 * What a send tells while it runs: the lines of `send --json`, and what progress bars are drawn from. Names of
 * fields are a contract (docs/cli.md).
 */

export interface JobStarted {
  readonly type: 'job';
  readonly job: string;
  readonly files: number;
  readonly bytesTotal: number;
  /** Whether it goes on when nobody follows it, and waits for who is offline. */
  readonly queue: boolean;
  readonly recipients: readonly { readonly name: string; readonly id: string }[];
}

export interface Progress {
  readonly type: 'progress';
  readonly job: string;
  readonly recipient: string;
  /** The file that is on its way. */
  readonly path: string;
  readonly fileBytesSent: number;
  readonly fileBytesTotal: number;
  /** Content bytes put on the wire, of all files for this recipient. */
  readonly bytesSent: number;
  /** Bytes that went or are there already, of all files that have not failed. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Whether the totals are final: folders are walked while they are sent. */
  readonly complete: boolean;
}

/** How one file for one recipient ended. */
export interface FileOutcome {
  readonly type: 'file';
  readonly job: string;
  readonly recipient: string;
  /** Here. */
  readonly path: string;
  readonly ok: boolean;
  readonly size: number;
  /** `skipped`: it was there already, or the receiver keeps what has its name. */
  readonly status: 'delivered' | 'skipped' | 'failed';
  /** Of a skipped one: `identical`, which the receiver signed for, or `kept-theirs`, which nobody compared. */
  readonly reason: 'identical' | 'kept-theirs' | null;
  /**
   * Of what was sent: `receipt` for a file, signed by the receiver, `word` for a link, which the receiver says is there and
   * which nothing proves; null for what failed or is kept. Absent for what was fetched.
   */
  readonly proof?: 'receipt' | 'word' | null;
  readonly code: ErrorCode | null;
  readonly message: string | null;
}

/** The receiver's signed word that a file is there, whole and (unless it says otherwise) synced. */
export interface ReceiptTold {
  readonly type: 'receipt';
  readonly job: string;
  readonly recipient: string;
  readonly recipientId: string;
  /** Here, and where it lies in the receiver's inbox. */
  readonly path: string;
  readonly receivedAs: string;
  readonly size: number;
  readonly digest: string;
  readonly synced: boolean;
  /** It was there already, the same byte for byte, and was not sent. */
  readonly present: boolean;
  readonly time: string;
}

/** What a recipient has so far of one folder that was named, for who is not told of each file. Not a line of `--json`. */
export interface FolderTold {
  readonly type: 'folder';
  readonly job: string;
  readonly recipient: string;
  readonly recipientId: string;
  /** Here, and where it lies in the receiver's inbox. */
  readonly path: string;
  readonly receivedAs: string;
  readonly files: number;
  readonly bytes: number;
  readonly synced: boolean;
}

/** At a recipient a person was asked, and has not answered. */
export interface Waiting {
  readonly type: 'waiting';
  readonly job: string;
  readonly recipient: string;
  readonly recipientId: string;
}

/** A recipient was lost and is tried again. */
export interface Retrying {
  readonly type: 'retry';
  readonly job: string;
  readonly recipient: string;
  readonly reason: string;
}

/** A recipient is not there: the job waits for it. */
export interface QueuedTold {
  readonly type: 'queued';
  readonly job: string;
  readonly recipient: string;
  readonly recipientId: string;
  readonly reason: string;
}

export interface RecipientDone {
  readonly name: string;
  readonly id: string;
  /** All is delivered, or the job waits for this recipient because it was told to. */
  readonly ok: boolean;
  /** Absent with `--dry-run`. */
  readonly state?: DeliveryState;
  readonly code: ErrorCode | null;
  readonly status: string;
}

/** `--dry-run`: one thing that would be sent, if it is not there already. */
export interface WouldSend {
  readonly type: 'would-send';
  /** Here. */
  readonly path: string;
  readonly kind: 'file' | 'dir' | 'link';
  readonly size: number;
}

export interface SendDone {
  readonly type: 'done';
  readonly job: string;
  readonly ok: boolean;
  readonly exitCode: number;
  readonly filesSent: number;
  readonly filesSkipped: number;
  /** Those of the skipped where the recipient keeps what has their name. */
  readonly filesKept: number;
  readonly filesFailed: number;
  /** Content bytes put on the wire. */
  readonly bytesSent: number;
  readonly bytesTotal: number;
  /** Nothing was sent: `bytesTotal` bytes in `filesTotal` files would be, if none of it is there already. */
  readonly dryRun?: true;
  readonly filesTotal?: number;
  readonly recipients: readonly RecipientDone[];
}

export type SendEvent =
  | JobStarted
  | Progress
  | FileOutcome
  | ReceiptTold
  | FolderTold
  | Retrying
  | Waiting
  | QueuedTold
  | WouldSend;

import { CONFLICTS } from '@filer/protocol';
import { arrayOf, count, errorCode, method, text } from '@filer/program';
import * as v from 'valibot';
import { DELIVERY_STATES, deliveryCounts } from './counts.ts';

/*
 * What a send tells while it runs: the lines of `send --json`, and what progress bars are drawn from. Names of
 * fields are a contract (docs/cli/).
 */

/** How a recipient of a job stands. `damaged`: what is stored of it cannot be read. */
export const deliveryState = v.picklist([...DELIVERY_STATES, 'damaged']);

export const jobStarted = v.object({
  type: v.literal('job'),
  job: v.string(),
  files: v.number(),
  bytesTotal: v.number(),
  /** Whether it continues when its command ends, and waits for recipients that are offline. */
  queue: v.boolean(),
  recipients: arrayOf(v.object({ name: v.string(), id: v.string() })),
});
export type JobStarted = v.InferOutput<typeof jobStarted>;

export const progress = v.object({
  type: v.literal('progress'),
  job: v.string(),
  recipient: v.string(),
  /** The file that is on its way. */
  path: v.string(),
  fileBytesSent: v.number(),
  fileBytesTotal: v.number(),
  /** Content bytes put on the wire, of all files for this recipient. */
  bytesSent: v.number(),
  /** Bytes that went or are there already, of all files that have not failed. */
  bytesDone: v.number(),
  bytesTotal: v.number(),
  filesDone: v.number(),
  filesTotal: v.number(),
  /** Whether the totals are final: folders are walked while they are sent. */
  complete: v.boolean(),
});
export type Progress = v.InferOutput<typeof progress>;

/** How one file for one recipient ended. */
export const fileOutcome = v.object({
  type: v.literal('file'),
  job: v.string(),
  recipient: v.string(),
  /** Here. */
  path: v.string(),
  ok: v.boolean(),
  size: v.number(),
  /** `skipped`: it was there already, or the receiver keeps what has its name. */
  status: v.picklist(['delivered', 'skipped', 'failed']),
  /**
   * Of a skipped one: `identical`, which the receiver signed for, `kept-theirs`, which was not compared, or `link`, which
   * stays at the sender, with why in `message` where it could not go.
   */
  reason: v.nullable(v.picklist(['identical', 'kept-theirs', 'link'])),
  code: v.nullable(errorCode),
  message: v.nullable(v.string()),
});
export type FileOutcome = v.InferOutput<typeof fileOutcome>;

/** The receiver's signed word that a file is there, whole and (unless it says otherwise) synced. */
const receiptTold = v.object({
  type: v.literal('receipt'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
  /** Here. */
  path: v.string(),
  /** In the receiver's inbox. */
  receivedAs: v.string(),
  size: v.number(),
  digest: v.string(),
  synced: v.boolean(),
  /** It was there already, the same byte for byte, and was not sent. */
  present: v.boolean(),
  time: v.string(),
});
export type ReceiptTold = v.InferOutput<typeof receiptTold>;

/** What a recipient has so far of one folder that was named, instead of each of its files. Not a line of `--json`. */
const folderTold = v.object({
  type: v.literal('folder'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
  /** Here. */
  path: v.string(),
  /** In the receiver's inbox. */
  receivedAs: v.string(),
  files: v.number(),
  bytes: v.number(),
  synced: v.boolean(),
});
export type FolderTold = v.InferOutput<typeof folderTold>;

/** At a recipient a person was asked, and has not answered. */
const waiting = v.object({
  type: v.literal('waiting'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
});

/** A recipient was lost and is tried again. */
export const retrying = v.object({
  type: v.literal('retry'),
  job: v.string(),
  recipient: v.string(),
  reason: v.string(),
});

/** A recipient is not there: the job waits for it. */
const queuedTold = v.object({
  type: v.literal('queued'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
  reason: v.string(),
});

/** On which path the other machine was reached last: `direct`, `reverse`, `punched`, `relayed by NAME`. Absent where it was not. */
const connection = v.exactOptional(v.string());

/** What a recipient got of other recipients, in bytes, instead of the sender. Absent where that is nothing. */
const via = v.exactOptional(arrayOf(v.object({ name: v.string(), id: v.string(), bytes: v.number() })));

/** What a recipient got of the sender, in bytes, over all tries. Absent where all went from here to each. */
const fromSender = v.exactOptional(v.number());

/** How a recipient stands now that nothing more is sent to it. */
const recipientEnded = v.object({
  type: v.literal('recipient'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
  ok: v.boolean(),
  state: deliveryState,
  code: v.nullable(errorCode),
  /** In words. */
  status: v.string(),
  via,
  fromSender,
  connection,
});

/** `--dry-run`: one thing that would be sent, if it is not there already. */
const wouldSend = v.object({
  type: v.literal('would-send'),
  /** Here. */
  path: v.string(),
  kind: v.picklist(['file', 'dir', 'link']),
  size: v.number(),
});

export const recipientDone = v.object({
  name: v.string(),
  id: v.string(),
  /** All is delivered, or the job waits for this recipient because it was told to. */
  ok: v.boolean(),
  /** Absent with `--dry-run`. */
  state: v.exactOptional(deliveryState),
  code: v.nullable(errorCode),
  status: v.string(),
  via,
  fromSender,
  connection,
});
export type RecipientDone = v.InferOutput<typeof recipientDone>;

export const sendDone = v.object({
  type: v.literal('done'),
  job: v.string(),
  ok: v.boolean(),
  exitCode: v.number(),
  ...deliveryCounts.entries,
  /** Nothing was sent: `bytesTotal` bytes in `filesTotal` files would be, if none of it is there already. */
  dryRun: v.exactOptional(v.literal(true)),
  filesTotal: v.exactOptional(v.number()),
  recipients: arrayOf(recipientDone),
});
export type SendDone = v.InferOutput<typeof sendDone>;

const extra = {
  recipient: v.string(),
  recipientId: v.string(),
  /** Where it was here. */
  path: v.string(),
};
const there = {
  /** In the receiver's inbox. */
  receivedAs: v.string(),
  kind: v.picklist(['file', 'dir', 'link']),
  size: v.number(),
};

/** `--delete`: a recipient has removed, and signed for it, what it was sent before and is no longer here. */
const removedTold = v.object({
  type: v.literal('removed'),
  job: v.string(),
  ...extra,
  ...there,
  /** By the receiver's clock. */
  time: v.string(),
});

/** `--delete`: a recipient keeps what is no longer here, or all of that in a folder that was named. */
const notRemoved = v.object({
  type: v.literal('not-removed'),
  job: v.string(),
  ...extra,
  code: errorCode,
  message: v.string(),
});

/** `--delete --dry-run`: one thing that a recipient would remove. */
const wouldRemove = v.object({ type: v.literal('would-remove'), ...extra, ...there });

export const sendEvent = v.variant('type', [
  progress,
  receiptTold,
  fileOutcome,
  jobStarted,
  folderTold,
  retrying,
  waiting,
  queuedTold,
  recipientEnded,
  wouldSend,
  removedTold,
  notRemoved,
  wouldRemove,
]);
export type SendEvent = v.InferOutput<typeof sendEvent>;

/** An absolute path of this machine. */
export const path = text(16_384);
/** What is not sent or fetched of a folder, as in a `.gitignore`. */
export const exclude = arrayOf(text(4_096), 1_000);
export const onConflict = v.picklist(CONFLICTS);
/** What to do with links in folders. */
export const links = v.picklist(['keep', 'copy', 'skip']);
export const limit = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
export const timeoutMs = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const anyText = text(Number.POSITIVE_INFINITY);

const sendParams = v.object({
  paths: arrayOf(path, 100_000),
  /** As typed: names, ids, `@group`, `@all`. */
  to: arrayOf(anyText, 10_000),
  /** What the one path is called at the receivers; empty for its own name. */
  as: v.optional(anyText),
  /** A folder at the receivers, in which the paths are put; empty for none. */
  into: v.optional(anyText),
  /** @default keep */
  links: v.optional(links),
  /** Whether recipients remove what they were sent before, and is no longer here. @default false */
  mirror: v.optional(v.boolean()),
  /** Whether it is put under a hidden name, until it is released. @default false */
  stage: v.optional(v.boolean()),
  note: v.optional(anyText),
  timeoutMs,
  /** @default update */
  onConflict: v.optional(onConflict),
  exclude: v.optional(exclude),
  checksum: v.optional(v.boolean()),
  snapshot: v.optional(v.boolean()),
  queue: v.optional(v.boolean()),
  /** Bytes a second, for all recipients together. */
  limit: v.optional(limit),
  /** Whether each recipient gets all of it from this machine, and none of another recipient. @default false */
  directOnly: v.optional(v.boolean()),
  /** Whether it goes over a relay alone. @default false */
  relayOnly: v.optional(v.boolean()),
  /** Whether the path is a file of the home, which came from standard input. */
  spooled: v.optional(v.boolean()),
  /** Whether named folders are told as one, instead of each of their files. */
  summed: v.optional(v.boolean()),
  dryRun: v.optional(v.boolean()),
});

export type SendParams = v.InferOutput<typeof sendParams>;

/** An id, or its beginning. */
export const job = text(64);

/** Of how many recipients a job was stopped, or continues. */
const jobChanged = v.object({ job: v.string(), recipients: v.number() });

/** Under which a page hands over one drop, however often it tries: random. */
export const uploadId = v.pipe(v.string(), v.regex(/^[\w-]{16,64}$/));

export const sendMethods = {
  send: method('send', { params: sendParams, item: sendEvent, result: sendDone }),

  /** Tells what `send` tells. */
  retry: method('retry', {
    params: v.object({ job, summed: v.optional(v.boolean()) }),
    item: sendEvent,
    result: sendDone,
  }),

  cancel: method('cancel', { access: 'admin', changes: true, params: v.object({ job }), result: jobChanged }),

  /** Stops a job for now: it keeps its place, and continues with `resume`. */
  pause: method('pause', { access: 'admin', changes: true, params: v.object({ job }), result: jobChanged }),

  /**
   * Continues a paused job in the daemon, and follows nothing.
   *
   * @param ended whether it may also be one that failed, was cancelled or interrupted
   */
  resume: method('resume', {
    access: 'admin',
    changes: true,
    params: v.object({ job, ended: v.optional(v.boolean()) }),
    result: jobChanged,
  }),

  /**
   * What can be said of a drop in a page before its first byte: who gets it, and whether there is room for it.
   *
   * @param entries files and folders @default `files`
   * @param upload the id under which it is handed over, again and again until there is an answer
   */
  dropCheck: method('drop-check', {
    access: 'read',
    params: v.object({
      to: arrayOf(anyText, 10_000),
      note: anyText,
      files: count,
      entries: v.optional(count),
      bytes: count,
      upload: v.exactOptional(uploadId),
    }),
    result: v.object({
      recipients: arrayOf(v.object({ name: v.string(), id: v.string() })),
      /** What this upload has become already, so that it need not come again; null for one that did not come. */
      job: v.nullable(v.string()),
    }),
  }),
};

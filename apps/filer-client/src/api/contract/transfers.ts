import { arrayOf, errorCode, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';
import { deliveryCounts } from './counts.ts';
import { rolloutDocument, stageDocument } from './releases.ts';
import { deliveryState, job, progress, timeoutMs } from './send.ts';

/* What runs and waits, and what was signed for. Names of fields are a contract (docs/cli/). */

const amounts = v.pick(progress, ['bytesDone', 'bytesTotal', 'filesDone', 'filesTotal', 'complete']);
/** How far a transfer is. */
export type Amounts = v.InferOutput<typeof amounts>;

/** How far a transfer is that runs. */
const progressDocument = v.object({
  ...amounts.entries,
  /** Of the last seconds; 0 while nothing can be said. */
  bytesPerSecond: v.number(),
  /** Null while it cannot be told. */
  etaMs: v.nullable(v.number()),
  /** All of it, for people. */
  words: v.string(),
});
export type ProgressDocument = v.InferOutput<typeof progressDocument>;

const recipientDocument = v.object({
  name: v.string(),
  id: v.string(),
  state: deliveryState,
  code: v.nullable(errorCode),
  /** In words. */
  status: v.string(),
  /** On which path it was reached last: `direct`, `reverse`, `punched`, `relayed by NAME`; null where it was not. */
  connection: v.nullable(v.string()),
  ...deliveryCounts.entries,
  /** Of a job that was sent with `--stage`: what it has of it; else null. */
  stage: v.nullable(stageDocument),
  /** Of one that is served by the process that was asked; else null. */
  progress: v.nullable(progressDocument),
  startedAt: v.nullable(v.string()),
  finishedAt: v.nullable(v.string()),
});
export type RecipientDocument = v.InferOutput<typeof recipientDocument>;

export const jobDocument = v.object({
  job: v.string(),
  state: v.picklist(['queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'interrupted', 'damaged']),
  queue: v.boolean(),
  createdAt: v.string(),
  startedAt: v.nullable(v.string()),
  finishedAt: v.nullable(v.string()),
  /** `get` for what this machine fetched, `pull` for what a peer fetched from a share of this machine. */
  kind: v.picklist(['send', 'get', 'pull']),
  /** Of a `pull` what it was, `SHARE/path/below`, of a `get` with the peer, `PEER:SHARE/path/below`; else null. */
  shared: v.nullable(v.string()),
  /** The id of the watch that made it; then `paths` is its folder, of which some files go. Else null. */
  watch: v.nullable(v.string()),
  /** Absolute, here; `-` for standard input. */
  paths: arrayOf(v.string()),
  /** The name that the one path got; null for its own. */
  as: v.nullable(v.string()),
  /** The folder in which the recipients have it; null for the one of this machine. */
  into: v.nullable(v.string()),
  /** Whether recipients remove what they were sent before, and is no longer here. */
  mirror: v.boolean(),
  /** Whether it was put under a hidden name, to be released. */
  stage: v.boolean(),
  /** Its newest release or rollback; null before the first. */
  rollout: v.nullable(rolloutDocument),
  to: arrayOf(v.string()),
  note: v.string(),
  recipients: arrayOf(recipientDocument),
});
export type JobDocument = v.InferOutput<typeof jobDocument>;

/** A transfer that comes in now. */
const incomingTransfer = v.object({
  from: v.string(),
  fromId: v.string(),
  since: v.string(),
  /** Of the file that came last, relative to the sender's folder; empty before the first. */
  path: v.string(),
  /** Content bytes that came over this connection. */
  bytesReceived: v.number(),
  /** Of what was offered so far. */
  bytesTotal: v.number(),
});
export type IncomingTransfer = v.InferOutput<typeof incomingTransfer>;

/** What is fetched here now. */
const fetchingDocument = v.object({
  job: v.string(),
  from: v.string(),
  fromId: v.string(),
  /** `SHARE/path/below` at the peer. */
  path: v.string(),
  /** Absolute, here. */
  dest: v.string(),
  since: v.string(),
  progress: v.nullable(progressDocument),
});
export type FetchingDocument = v.InferOutput<typeof fetchingDocument>;

/** What a peer fetches from here now. */
const servingDocument = v.object({
  to: v.string(),
  toId: v.string(),
  /** `SHARE/path/below`. */
  path: v.string(),
  since: v.string(),
  progress: v.nullable(progressDocument),
});
export type ServingDocument = v.InferOutput<typeof servingDocument>;

const transfers = v.object({
  outgoing: arrayOf(jobDocument),
  incoming: arrayOf(incomingTransfer),
  fetching: arrayOf(fetchingDocument),
  serving: arrayOf(servingDocument),
});
export type Transfers = v.InferOutput<typeof transfers>;

/** One file of one recipient that is not as it should be. */
const verifyTrouble = v.object({
  type: v.literal('trouble'),
  job: v.string(),
  recipient: v.string(),
  recipientId: v.string(),
  /** Here; null for what stands in the place of receipts. */
  path: v.nullable(v.string()),
  receivedAs: v.nullable(v.string()),
  digest: v.nullable(v.string()),
  problem: v.picklist(['signature', 'changed', 'gone', 'unknown']),
});
export type VerifyTrouble = v.InferOutput<typeof verifyTrouble>;

const verifyRecipient = v.object({
  name: v.string(),
  id: v.string(),
  ok: v.boolean(),
  code: v.nullable(errorCode),
  status: v.string(),
  /** Files with a receipt. */
  files: v.number(),
  badSignatures: v.number(),
  /** With `--ask`: how many files it says that of; else null. */
  held: v.nullable(
    v.object({ same: v.number(), changed: v.number(), gone: v.number(), unknown: v.number() }),
  ),
});
export type VerifyRecipient = v.InferOutput<typeof verifyRecipient>;

const verifyDone = v.object({
  type: v.literal('done'),
  job: v.string(),
  ok: v.boolean(),
  exitCode: v.number(),
  asked: v.boolean(),
  recipients: arrayOf(verifyRecipient),
});
export type VerifyDone = v.InferOutput<typeof verifyDone>;

export const offerState = v.picklist(['waiting', 'lost', 'withdrawn', 'declined', 'accepted']);

/** An offer that was answered. Names are another machine's: escape them. */
const answeredOffer = v.object({
  id: v.string(),
  from: v.string(),
  fromId: v.string(),
  names: arrayOf(v.string()),
  files: v.number(),
  size: v.number(),
  state: offerState,
  /** What the policy here will refuse of it all the same. */
  refusals: arrayOf(v.object({ code: errorCode, message: v.string() })),
  /** Whether its sender was there, and continues at once. */
  present: v.boolean(),
});

export const transferMethods = {
  transfers: method('transfers', { access: 'read', params: NO_PARAMS, result: transfers }),

  /** Tells what is not as it should be. */
  verify: method('verify', {
    access: 'read',
    params: v.object({ job, ask: v.optional(v.boolean()), timeoutMs: v.optional(timeoutMs) }),
    item: verifyTrouble,
    result: verifyDone,
  }),

  answerOffers: method('answer-offers', {
    access: 'admin',
    changes: true,
    params: v.object({
      accept: v.boolean(),
      /** Or their beginnings. */
      ids: arrayOf(text(64), 1_000),
      all: v.optional(v.boolean()),
      from: v.optional(text(64)),
      reason: v.optional(text(Number.POSITIVE_INFINITY)),
    }),
    result: v.object({ offers: arrayOf(answeredOffer) }),
  }),
};

import { arrayOf, method, text } from '@filer/program';
import * as v from 'valibot';
import {
  exclude,
  fileOutcome,
  job,
  jobStarted,
  limit,
  onConflict,
  path,
  progress,
  recipientDone,
  retrying,
  sendDone,
  timeoutMs,
} from './send.ts';

/*
 * What a get tells while it runs: the lines of `get --json`, with the fields of `send --json`; the recipient is this
 * machine. Names of fields are a contract (docs/cli/).
 */

/** Whose share it comes from. */
const owner = v.object({ name: v.string(), id: v.string() });

const getStarted = v.object({ ...v.omit(jobStarted, ['queue']).entries, from: owner });

/** Another get of the same thing into the same place runs: this one waits for it. */
const waiting = v.object({ type: v.literal('waiting'), job: v.string(), path: v.string() });

/** `--dry-run`: one thing that would be fetched, if it is not here already. */
const wouldGet = v.object({
  type: v.literal('would-get'),
  path: v.string(),
  kind: v.string(),
  size: v.number(),
  /**
   * What is here in its place: `identical`, `other`, or `unknown` for a file of its size that was not compared; null for
   * nothing. What is identical would not come.
   */
  present: v.nullable(v.picklist(['identical', 'other', 'unknown'])),
});

const getEvent = v.variant('type', [progress, fileOutcome, getStarted, retrying, waiting, wouldGet]);
export type GetEvent = v.InferOutput<typeof getEvent>;

const getDone = v.object({
  ...sendDone.entries,
  from: owner,
  /** Where it is now, absolute. */
  path: v.string(),
  recipients: v.pipe(v.tuple([recipientDone]), v.readonly()),
});
export type GetDone = v.InferOutput<typeof getDone>;

/** `PEER:SHARE/path` as typed. */
const source = text(16_384);

export const getParams = v.object({
  source,
  dest: path,
  timeoutMs,
  /** @default update */
  onConflict: v.optional(onConflict),
  exclude: v.optional(exclude),
  checksum: v.optional(v.boolean()),
  limit: v.optional(limit),
  dryRun: v.optional(v.boolean()),
  /** Whether no third machine may carry it. @default false */
  directOnly: v.optional(v.boolean()),
  /** Whether it comes over a relay alone. @default false */
  relayOnly: v.optional(v.boolean()),
  /** Whether the destination is a folder that is there. @default it may be a name that is not used yet */
  into: v.optional(v.boolean()),
  /** The get to continue, of the same source and destination. */
  job: v.optional(job),
});
export type GetParams = v.InferOutput<typeof getParams>;

/** What is at one place of a peer's shares. */
const lsItem = v.object({
  name: v.string(),
  kind: v.picklist(['share', 'dir', 'file', 'link', 'other']),
  /** Null unless it is a file. */
  size: v.nullable(v.number()),
  /** Null where it is not known. */
  mtime: v.nullable(v.string()),
});
export type LsItem = v.InferOutput<typeof lsItem>;

export const getMethods = {
  get: method('get', {
    params: getParams,
    item: getEvent,
    result: getDone,
  }),

  /** Begins a get in the daemon, which continues without its caller. */
  fetch: method('fetch', {
    access: 'admin',
    changes: true,
    params: v.omit(getParams, ['dryRun', 'job']),
    result: v.object({ job: v.string() }),
  }),

  /** Tells page by page. */
  ls: method('ls', {
    access: 'read',
    params: v.object({ source, timeoutMs: v.optional(timeoutMs) }),
    item: v.object({ items: arrayOf(lsItem) }),
    result: v.object({
      peer: v.string(),
      id: v.string(),
      path: v.string(),
      count: v.number(),
      /** Why not all is told; null when it is. */
      leftOut: v.nullable(v.string()),
    }),
  }),
};

import { MAX_GROUPS } from '@filer/protocol';
import { arrayOf, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';
import { exclude, limit, links, onConflict, path, sendDone, sendEvent } from './send.ts';

const shareLine = v.object({
  name: v.string(),
  folder: v.string(),
  groups: arrayOf(v.string()),
  server: v.boolean(),
  addedAt: v.string(),
});
export type ShareLine = v.InferOutput<typeof shareLine>;

/** A watch. Names of fields are a contract (docs/cli/). */
const watchDocument = v.object({
  id: v.string(),
  name: v.string(),
  folder: v.string(),
  /** Targets, machines by the names that they have now. */
  to: arrayOf(v.string()),
  /** The machines that were named, and the ids by which they are known. */
  recipients: arrayOf(v.object({ name: v.string(), id: v.string() })),
  /** `stopped`: no daemon runs here. */
  state: v.picklist(['watching', 'blind', 'folder-missing', 'failing', 'stopped']),
  /** In words, unless all is as it should be. */
  reason: v.nullable(v.string()),
  /** Files that settle, or are in jobs that not everyone has got. */
  waiting: v.number(),
  /** Files that came to a recipient; one that came to two counts twice. */
  shipped: v.number(),
  lastShippedAt: v.nullable(v.string()),
  /** The newest delivery that failed for good; null when there is none. */
  failed: v.nullable(v.object({ job: v.string(), recipient: v.string(), reason: v.string() })),
  addedAt: v.string(),
  exclude: arrayOf(v.string()),
  /** The folder at the recipients in which the watched one is put; empty for none. */
  into: v.string(),
  links,
  /** Whether recipients remove what is removed here. */
  mirror: v.boolean(),
  onConflict,
  note: v.string(),
  /** Bytes a second. */
  limit: v.nullable(v.number()),
  settleMs: v.number(),
  rescanMs: v.number(),
  deleteAfter: v.boolean(),
  moveTo: v.nullable(v.string()),
});
export type WatchDocument = v.InferOutput<typeof watchDocument>;

const durationMs = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const watchParams = v.object({
  folder: path,
  /** What it is called at the recipients. @default the folder's own name */
  name: v.optional(text()),
  to: arrayOf(text(), 10_000),
  exclude: v.optional(exclude),
  note: v.optional(text(Number.POSITIVE_INFINITY)),
  into: v.optional(text(Number.POSITIVE_INFINITY)),
  /** @default keep */
  links: v.optional(links),
  mirror: v.optional(v.boolean()),
  /** @default update */
  onConflict: v.optional(onConflict),
  limit: v.optional(limit),
  settleMs: durationMs,
  rescanMs: durationMs,
  deleteAfter: v.optional(v.boolean()),
  moveTo: v.optional(path),
});
export type WatchParams = v.InferOutput<typeof watchParams>;

export const shareMethods = {
  shareAdd: method('share-add', {
    access: 'admin',
    changes: true,
    params: v.object({
      folder: path,
      /** @default the folder's own name */
      name: v.optional(text()),
      groups: arrayOf(text(), MAX_GROUPS),
      /** For the ip-server's collects only. */
      server: v.optional(v.boolean()),
    }),
    result: shareLine,
  }),
  shareList: method('share-list', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ shares: arrayOf(shareLine) }),
  }),
  shareRemove: method('share-remove', {
    access: 'admin',
    changes: true,
    params: v.object({ name: text() }),
    result: v.object({ name: v.string() }),
  }),

  watchAdd: method('watch-add', {
    access: 'admin',
    changes: true,
    params: watchParams,
    /** With whether the folder is there now. */
    result: v.object({ ...watchDocument.entries, isThere: v.boolean() }),
  }),
  /** `--dry-run`: tells what `send --dry-run` tells. */
  watchPreview: method('watch-preview', { params: watchParams, item: sendEvent, result: sendDone }),
  watchList: method('watch-list', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ watches: arrayOf(watchDocument) }),
  }),
  watchRemove: method('watch-remove', {
    access: 'admin',
    changes: true,
    /** @param folder what was typed, as a path */
    params: v.object({ which: text(16_384), folder: path }),
    result: v.object({ id: v.string(), name: v.string(), folder: v.string(), waiting: v.number() }),
  }),
};

import { arrayOf, count, errorCode, method } from '@filer/program';
import * as v from 'valibot';
import { offerState } from './transfers.ts';

/* What came, and what is offered. Names and notes are other machines': escape them. Fields as in `inbox --json`. */

/** An offer that a person is asked about, or was. */
const inboxOffer = v.object({
  id: v.string(),
  from: v.string(),
  fromId: v.string(),
  /** Where it would go, absolute. */
  path: v.string(),
  /** The first of what it has at its top. */
  names: arrayOf(v.string()),
  /** What is below each of them; empty where the sender does not tell. */
  contents: arrayOf(v.object({ files: v.number(), size: v.number() })),
  files: v.number(),
  size: v.number(),
  note: v.string(),
  receivedAt: v.string(),
  state: offerState,
  /** Why it was declined. */
  reason: v.string(),
  /** Whether what the sender delivered before and no longer has is removed. */
  mirror: v.boolean(),
  /** What the policy here will refuse of it, though a person accepts it. */
  refusals: arrayOf(v.object({ code: errorCode, message: v.string() })),
});
export type InboxOffer = v.InferOutput<typeof inboxOffer>;

/** What came of one job under one name. */
const inboxDelivery = v.object({
  from: v.string(),
  fromId: v.string(),
  job: v.string(),
  /** Absolute. */
  path: v.string(),
  name: v.string(),
  kind: v.picklist(['file', 'folder']),
  files: v.number(),
  size: v.number(),
  /** Of the last file. */
  receivedAt: v.string(),
  note: v.string(),
});
export type InboxDeliveryDocument = v.InferOutput<typeof inboxDelivery>;

export const inboxMethods = {
  /** Newest last. */
  inbox: method('inbox', {
    access: 'read',
    /** @param limit of deliveries @default 100 */
    params: v.object({ limit: v.optional(count) }),
    result: v.object({
      /** Those that wait, and those that were declined or withdrawn. */
      offers: arrayOf(inboxOffer),
      deliveries: arrayOf(inboxDelivery),
      /** Whether there are older deliveries. */
      more: v.boolean(),
    }),
  }),
};

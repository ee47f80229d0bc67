import { isGroupName, isMachineName, MAX_GROUPS, MAX_INVITE_USES } from '@filer/protocol';
import { arrayOf, count, counted, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

/*
 * Machines as a page shows them: many at once, then only those that changed.
 */

/** Each machine has one of them: they add up to the members. What needs attention first comes first. */
export const STANDINGS = ['missing', 'late', 'offline', 'online', 'left'] as const;
export type Standing = (typeof STANDINGS)[number];

const machineRow = v.object({
  id: v.string(),
  name: v.string(),
  groups: arrayOf(v.string()),
  /**
   * `left` by its own wish; `missing` or `late`: a report is, whether the machine is connected or not; else `online` or
   * `offline`.
   */
  standing: v.picklist(STANDINGS),
  online: v.boolean(),
  /** Whether one that is offline said that it would be. */
  stopped: v.boolean(),
  /** When it was last heard of. */
  seenAt: time,
  /** When its newest report was received. */
  reportedAt: v.nullable(time),
  /** When its next report is due, the earliest of all of its schedules. */
  dueAt: v.nullable(time),
  /** Schedules whose reports are late or missing. */
  overdue: arrayOf(v.string()),
  version: v.nullable(v.string()),
  /** Free where it receives files, in bytes. */
  freeBytes: v.nullable(v.number()),
  transfers: v.number(),
  address: v.nullable(v.string()),
  /** How it is connected to this server. */
  via: v.nullable(v.literal('direct')),
  /** Id of the server that holds its session. */
  server: v.nullable(v.string()),
});
export type MachineRow = v.InferOutput<typeof machineRow>;

/** Columns of equal length, oldest first: what a chart is drawn from. */
const samplesDocument = v.object({
  /** In seconds since the epoch. */
  times: arrayOf(v.number()),
  load: arrayOf(v.number()),
  memoryTotalBytes: arrayOf(v.number()),
  memoryFreeBytes: arrayOf(v.number()),
  inboxFreeBytes: arrayOf(v.number()),
  transfers: arrayOf(v.number()),
  spooled: arrayOf(v.number()),
});
export type SamplesDocument = v.InferOutput<typeof samplesDocument>;

const transferEntry = v.object({
  /** The machine that has the files, and the one that gets them. */
  from: v.string(),
  fromId: v.string(),
  to: v.string(),
  toId: v.string(),
  filesDone: v.number(),
  filesTotal: v.number(),
  bytesDone: v.number(),
  bytesTotal: v.number(),
  bytesPerSecond: v.number(),
});
export type TransferEntry = v.InferOutput<typeof transferEntry>;

const messageEntry = v.object({
  id: v.string(),
  time,
  /** The name of the machine that wrote it; null for this server. */
  from: v.nullable(v.string()),
  fromId: v.string(),
  /** `@all` or `@GROUP` */
  to: v.string(),
  text: v.string(),
  reached: v.number(),
  offline: v.number(),
});
export type MessageEntry = v.InferOutput<typeof messageEntry>;

const changedMember = v.object({ id: v.string(), name: v.string(), groups: arrayOf(v.string()) });
const which = v.object({ peer: text(64) });
const machineName = v.pipe(
  text(64),
  v.check(isMachineName, 'a name has a-z, 0-9 and inner hyphens, and is not a reserved word'),
);
const group = v.pipe(
  text(64),
  v.check(isGroupName, 'a group has a-z, 0-9 and inner hyphens, and is not all'),
);

export const machineMethods = {
  /** All that are members or have left, those that need attention first; or those that changed since an earlier answer. */
  machines: method('machines', {
    access: 'read',
    params: v.object({
      /** `at` of the earlier answer. @default all */
      since: v.exactOptional(text(64)),
    }),
    item: machineRow,
    result: v.object({
      /** For `since`. */
      at: v.string(),
      time,
      /** Whether all were told, and others that the caller knows are gone. */
      all: v.boolean(),
      /** Ids of those that were removed since. */
      removed: arrayOf(v.string()),
      /** How many servers the network has. */
      servers: v.exactOptional(v.number()),
    }),
  }),

  /** The numbers of a machine over time: at most 600 points, each the average of those that it stands for. */
  samples: method('samples', {
    access: 'read',
    params: v.object({ ...which.entries, since: time }),
    result: samplesDocument,
  }),

  /** What members send each other now, as those that are connected told it with their last heartbeat. */
  transfers: method('transfers', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ transfers: arrayOf(transferEntry) }),
  }),

  /** Texts to many that this server has handed on, oldest first. */
  messages: method('messages', {
    access: 'read',
    params: v.object({ limit: count }),
    result: v.object({ messages: arrayOf(messageEntry) }),
  }),

  /** The next three need the network key at the server: without it, the commands are given the file. */
  memberInvite: method('member-invite', {
    access: 'admin',
    changes: true,
    target: ({ groups, uses }) => [counted(uses, 'machine'), ...groups.map((group) => `@${group}`)].join(' '),
    params: v.object({
      groups: arrayOf(group, MAX_GROUPS),
      expiresMs: v.pipe(v.number(), v.safeInteger(), v.minValue(60_000), v.maxValue(366 * 86_400_000)),
      uses: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_INVITE_USES)),
    }),
    result: v.object({ id: v.string(), link: v.string(), expiresAt: time }),
  }),

  memberChange: method('member-change', {
    access: 'admin',
    changes: true,
    target: ({ peer, name, groups }) =>
      [peer, name, groups?.map((group) => `@${group}`).join(' ')].filter(Boolean).join(' '),
    params: v.object({
      ...which.entries,
      name: v.exactOptional(machineName),
      groups: v.exactOptional(arrayOf(group, MAX_GROUPS)),
    }),
    result: changedMember,
  }),

  /** Permanently: it comes back only with a new identity and a new invite. */
  memberRemove: method('member-remove', {
    access: 'admin',
    changes: true,
    target: ({ peer }) => peer,
    params: which,
    result: v.object({ id: v.string(), name: v.string() }),
  }),
};

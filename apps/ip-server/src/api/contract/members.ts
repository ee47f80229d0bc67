import { parseGrant, parseMembership, parseRemoval } from '@filer/protocol';
import { arrayOf, method, NO_PARAMS, parsedBy, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

/*
 * What only the network's key can do is signed by the command and comes as a document to check: the running server needs
 * the key for nothing.
 */

const scheduleState = v.picklist(['ok', 'late', 'missing', 'stopped']);

/** What a machine has announced that it will report, and how it does. */
const scheduleEntry = v.object({
  name: v.string(),
  state: scheduleState,
  dueAt: time,
  lastReportAt: v.nullable(time),
  /** When the state began. */
  since: time,
});
export type ScheduleEntry = v.InferOutput<typeof scheduleEntry>;

/** The last volatile numbers of a machine. Sizes in bytes, durations in ms. */
const lastHeartbeat = v.object({
  time,
  uptimeMs: v.number(),
  /** One-minute load average. */
  load: v.number(),
  memoryTotalBytes: v.number(),
  memoryFreeBytes: v.number(),
  inboxFreeBytes: v.number(),
  transfers: v.number(),
  spooled: v.number(),
});
export type LastHeartbeat = v.InferOutput<typeof lastHeartbeat>;

const peerEntry = v.object({
  id: v.string(),
  name: v.string(),
  groups: arrayOf(v.string()),
  online: v.boolean(),
  /** `unknown`: the server that holds its session was not heard of for some seconds. */
  state: v.picklist(['online', 'unknown', 'stopped', 'lost', 'left', 'removed']),
  lastSeen: time,
  addresses: arrayOf(v.string()),
  /** How the machine is connected to this server. */
  via: v.nullable(v.literal('direct')),
  /** Id of the server that holds its session. */
  server: v.nullable(v.string()),
  version: v.nullable(v.string()),
  lastHeartbeat: v.nullable(lastHeartbeat),
  /** The worst of its schedules. */
  reports: v.picklist([...scheduleState.options, 'none']),
  schedules: arrayOf(scheduleEntry),
});
export type PeerEntry = v.InferOutput<typeof peerEntry>;

const peersDocument = v.object({
  server: v.object({
    connected: v.boolean(),
    asOf: time,
    /** How many servers the network has. */
    count: v.exactOptional(v.number()),
  }),
  peers: arrayOf(peerEntry),
});
export type PeersDocument = v.InferOutput<typeof peersDocument>;

const inviteEntry = v.object({
  id: v.string(),
  groups: arrayOf(v.string()),
  createdAt: time,
  expiresAt: time,
  uses: v.number(),
  used: v.number(),
  revokedAt: v.nullable(time),
  state: v.picklist(['open', 'revoked', 'expired', 'used-up']),
  /** Names of those who joined with it. */
  members: arrayOf(v.string()),
});
export type InviteEntry = v.InferOutput<typeof inviteEntry>;

const hostPort = v.object({ host: v.string(), port: v.number() });
const founding = v.object({ network: v.string(), networkKey: v.string(), server: v.string() });
const membership = v.object({ membership: parsedBy(parseMembership) });
/** With those that left or were removed. */
const whichPeers = v.object({ all: v.boolean() });

export const memberMethods = {
  peers: method('peers', { params: whichPeers, result: peersDocument, access: 'read' }),

  /** By name or id. */
  member: method('member', { params: v.object({ peer: text(64) }), result: membership, access: 'read' }),

  amend: method('amend', {
    params: membership,
    result: membership,
    access: 'admin',
    changes: true,
    target: ({ membership: { name, id } }) => `${name} ${id}`,
  }),

  /** The number that the next removal carries. */
  removalNext: method('removal-next', {
    params: NO_PARAMS,
    result: v.object({ number: v.number() }),
    access: 'read',
  }),

  remove: method('remove', {
    params: v.object({ removal: parsedBy(parseRemoval) }),
    result: v.object({}),
    access: 'admin',
    changes: true,
    target: ({ removal: { id } }) => id,
  }),

  /** What an invite says of the network and of where the server is. */
  inviteContext: method('invite-context', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ ...founding.entries, addresses: arrayOf(hostPort), leftOut: arrayOf(hostPort) }),
  }),

  inviteAdd: method('invite-add', {
    params: v.object({ grant: parsedBy(parseGrant) }),
    result: v.object({}),
    access: 'admin',
    changes: true,
    target: ({ grant: { invite } }) => invite,
  }),

  inviteList: method('invite-list', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ invites: arrayOf(inviteEntry) }),
  }),

  /** Answers with the ids of those who joined with it and are still members. */
  inviteRevoke: method('invite-revoke', {
    access: 'admin',
    changes: true,
    target: ({ id }) => id,
    params: v.object({ id: text(64) }),
    result: v.object({ id: v.string(), members: arrayOf(v.string()) }),
  }),
};

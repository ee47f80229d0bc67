import { parseServerList, parseServerRecord } from '@filer/protocol';
import { arrayOf, count, method, NO_PARAMS, parsedBy, stopMethod, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

/** Who is told that reports are missing. */
const alarmsStatus = v.object({
  /** The program that is run; null without one. */
  hook: v.nullable(v.string()),
  /** Where is posted, without the path: of some receivers that is a secret. null without a webhook. */
  webhook: v.nullable(v.string()),
  /** The file with the secret that signs; null without a webhook, and when the secret is in a variable. */
  webhookSecretFile: v.nullable(v.string()),
  /** Alarms that are still to be delivered, by channel; null while the store cannot be reached. */
  waiting: v.object({ hook: v.nullable(v.number()), webhook: v.nullable(v.number()) }),
  /** Why the last one was not delivered; null when it was, and while the server is stopped. */
  problem: v.nullable(v.string()),
});

/** Where what is stored is. */
const storeStatus = v.object({
  engine: v.string(),
  /** Its file, or its name and hosts, without user and password. */
  database: v.string(),
  /** What it takes where it is, roughly; null while it cannot be reached. */
  bytes: v.nullable(v.number()),
  reachable: v.boolean(),
  /** Why it cannot be reached. */
  problem: v.nullable(v.string()),
});

const statusDocument = v.object({
  id: v.string(),
  network: v.string(),
  running: v.boolean(),
  version: v.nullable(v.string()),
  pid: v.nullable(v.number()),
  uptimeMs: v.nullable(v.number()),
  /** `host:port`, bound; null while stopped. */
  listen: v.nullable(v.string()),
  /** Where invites say that it is. */
  addresses: arrayOf(v.string()),
  /** Where the dashboard and the API are; null while stopped, and with --http-port off. */
  http: v.nullable(v.string()),
  /** What the dashboard is served with; null while stopped, and without TLS. */
  certificate: v.nullable(
    v.object({
      endsAt: time,
      /** That it ends soon, or that a newer one cannot be served; null otherwise. */
      problem: v.nullable(v.string()),
    }),
  ),
  members: v.number(),
  online: v.number(),
  connections: v.number(),
  /** `here`: who controls this server can admit members. `exported`: invites and removals need the file. */
  networkKey: v.picklist(['here', 'exported']),
  /** What the files of reports take, in bytes; null while the store cannot be reached. */
  attachmentBytes: v.nullable(v.number()),
  store: storeStatus,
  /** Why the store fails, or takes no attachments; null while it works. */
  storeProblem: v.nullable(v.string()),
  /** Members of which a report is late, or missing; one is counted once. */
  late: v.number(),
  missing: v.number(),
  alarms: alarmsStatus,
  home: v.string(),
});
export type StatusDocument = v.InferOutput<typeof statusDocument>;

const channel = v.picklist(['hook', 'webhook']);

const alarmDelivery = v.object({
  channel,
  state: v.picklist(['waiting', 'delivered', 'failed']),
  tries: v.number(),
  /** When it was delivered, or given up. */
  doneAt: v.nullable(time),
  /** Why the last try failed. */
  problem: v.nullable(v.string()),
});
export type AlarmDelivery = v.InferOutput<typeof alarmDelivery>;

const alarmDocument = v.object({
  /** What a webhook has as `webhook-id`. */
  id: v.string(),
  time,
  event: v.picklist(['missing', 'back']),
  /** The machine's name as it was then. */
  peer: v.string(),
  peerId: v.string(),
  schedule: v.string(),
  dueAt: time,
  lastReportAt: v.nullable(time),
  missingSince: time,
  /** Empty when there was no channel. */
  deliveries: arrayOf(alarmDelivery),
});
export type AlarmDocument = v.InferOutput<typeof alarmDocument>;

const serverEntry = v.object({
  id: v.string(),
  /** Where machines reach it, best first. */
  addresses: arrayOf(v.string()),
  /**
   * `waiting`: it runs, and the network key has not listed it yet, so that no machine trusts it.
   * `removed`: it runs, and was taken off the list. `unknown`: it has not been heard of for
   * some seconds. `lost`: it was not for longer, and its machines go to others. `stopped`: it has ended in order.
   */
  state: v.picklist(['running', 'waiting', 'removed', 'unknown', 'lost', 'stopped']),
  /** Whether the network key has listed it; the only server of a network needs no list. */
  listed: v.boolean(),
  /** Whether this is the server that answers. */
  here: v.boolean(),
  /** Whether what must happen once (late and missing reports, alarms, collects) runs there. */
  timers: v.boolean(),
  /** Machines whose sessions it holds. */
  machines: v.number(),
  version: v.nullable(v.string()),
});
export type ServerEntryDocument = v.InferOutput<typeof serverEntry>;

export const serverMethods = {
  /** The servers of the network, in order of id. */
  servers: method('servers', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({
      servers: arrayOf(serverEntry),
      /** Of the list that the network key has signed; 0 without one. */
      serial: v.number(),
      /** Why they are as they were known before: the database cannot be asked now. */
      problem: v.nullable(v.string()),
    }),
  }),

  /** Which servers the machines may trust, signed by the network key. */
  serversList: method('servers-list', {
    access: 'admin',
    changes: true,
    target: ({ list }) => list.servers.map((each) => each.slice(0, 12)).join(' '),
    params: v.object({ list: parsedBy(parseServerList), records: arrayOf(parsedBy(parseServerRecord), 16) }),
    result: v.object({}),
  }),

  status: method('status', { params: NO_PARAMS, result: statusDocument, access: 'read' }),

  stop: stopMethod,

  /** So many of the newest, oldest first. */
  alarms: method('alarms', {
    access: 'read',
    params: v.object({ limit: count }),
    result: v.object({ alarms: arrayOf(alarmDocument) }),
  }),

  /** Tells a test alarm over the ways that are set. */
  alarmTest: method('alarm-test', {
    access: 'admin',
    changes: true,
    /** @default all that are set */
    params: v.object({ channels: v.exactOptional(arrayOf(channel, 2)) }),
    result: v.object({
      /** What a webhook has as `webhook-id`. */
      id: v.string(),
      time,
      deliveries: arrayOf(
        v.object({ channel, ok: v.boolean(), problem: v.nullable(v.string()), durationMs: v.number() }),
      ),
    }),
  }),

  /** A text from the server itself to all of a group who are online. */
  broadcast: method('broadcast', {
    access: 'jobs',
    changes: true,
    target: ({ text: said }) => said,
    params: v.object({
      text: text(Number.POSITIVE_INFINITY),
      /** @default `@all` */
      to: v.exactOptional(v.pipe(text(64), v.startsWith('@'))),
    }),
    result: v.object({ reached: v.number(), offline: v.number() }),
  }),
};

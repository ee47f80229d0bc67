import {
  formatHostPort,
  serversOf,
  signText,
  type Broadcasted,
  type ServerList,
  type ServerRecord,
  type ToldTransfer,
} from '@filer/protocol';
import { iso, type EventRing, type Home } from '@filer/program';
import type { AlarmSettings } from '../alarms/alarm-settings.ts';
import type { TestedAlarm } from '../alarms/alarms.ts';
import type { Overview } from '../daemon/overview.ts';
import type { ServerParts } from '../daemon/server-daemon.ts';
import type { AuditLog } from '../http/audit-log.ts';
import type { ServerTokens } from '../http/server-tokens.ts';
import type { Directory } from '../network/directory.ts';
import type { Reachable } from '../network/reach.ts';
import type { Removals } from '../network/removals.ts';
import type { CollectRun } from '../store/collect-store.ts';
import type { AlarmChannel } from '../store/alarm-store.ts';
import type { Store } from '../store/interfaces.ts';
import type { Founding } from '../store/registry.ts';
import type { KnownEntry } from '../store/server-store.ts';
import type { FilesPlace } from '../uploads/files-place.ts';
import type { ServerEventData } from './contract/events.ts';
import type { StatusDocument } from './contract/server.ts';

interface StoredSide extends Pick<
  Store,
  'registry' | 'collects' | 'attachments' | 'reports' | 'samples' | 'messages' | 'alarms'
> {
  /** What several servers share; undefined where there is one. */
  readonly servers: Store['servers'];
  /** Where files of collects go that are not given a folder. */
  readonly collected: string;
  /** Where it is that everything is stored. */
  readonly storeAt: Store['at'];
  /** What it takes there. @throws FilerError when it cannot be reached */
  readonly storeBytes: () => Promise<number>;
  readonly auditStore: Store['audit'];
}

/** What the methods work on: the running server, or one that a command opens for its own time. */
export interface AdminApi extends StoredSide {
  readonly home: Home;
  readonly founding: Founding;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly overview: Overview;
  readonly alarmSettings: AlarmSettings;
  /** Who may come in over HTTP. */
  readonly tokens: ServerTokens;
  /** Where is written who changes what. */
  readonly audit: AuditLog;
  /** Where machines reach the server, for invites. */
  readonly reach: Reachable;
  readonly network: NetworkSide;
  /** What changes at it. */
  readonly events: EventRing<ServerEventData>;
  readonly now: () => number;
}

/** What only a server does that serves its network; a stopped one has a stand-in (`stopped-server.ts`). */
export interface NetworkSide {
  readonly status: NetworkStatus;
  /** How many servers the network has, as far as is known here. */
  readonly serverCount: number;
  /** The servers as they were at the last beat of this one; undefined for an engine that serves one, and while the server is stopped. */
  readonly lastServers: LastServers | undefined;
  /** What each machine that is connected sends and fetches now, by its id. */
  readonly transfers: ReadonlyMap<string, readonly ToldTransfer[]>;
  /** The list of servers was changed by a command. @throws FilerError of the store */
  serversChanged(): Promise<void>;
  /** Tells the machines soon that a membership has changed. */
  announceMembers(): void;
  /** @throws FilerError `needs-daemon` while the server is stopped */
  broadcast(text: string, to: string): Promise<Broadcasted>;
  /** @throws FilerError `needs-daemon` while the server is stopped */
  beginCollect(name: string): Promise<CollectRun>;
  /** @throws FilerError `needs-daemon` while the server is stopped, as `Alarms.test` */
  testAlarm(channels: readonly AlarmChannel[] | undefined, signal: AbortSignal): Promise<TestedAlarm>;
  /** Ends the server in order, soon. @throws FilerError `needs-daemon` while it is stopped */
  stop(): void;
  /** Ends what runs of a collect that was removed. */
  endCollect(name: string): Promise<void>;
}

export interface LastServers {
  readonly entries: readonly KnownEntry[];
  readonly list: ServerList | undefined;
  /** The one that machines trust without a list. */
  readonly founder: string | undefined;
  /** Of this server, which was listed once when it has one. */
  readonly record: ServerRecord | undefined;
}

export interface NetworkStatus extends Pick<
  StatusDocument,
  | 'running'
  | 'version'
  | 'pid'
  | 'uptimeMs'
  | 'listen'
  | 'http'
  | 'certificate'
  | 'connections'
  | 'storeProblem'
> {
  /** Why the last alarm was not delivered. */
  readonly alarmProblem: string | null;
}

/** The running server as commands use it. */
export function adminApiOf(daemon: ServerParts, stop: () => void = () => undefined): AdminApi {
  const { home, founding, store, directory, removals, overview, alarmSettings, reach, events } = daemon;
  const { tokens, audit } = daemon;
  return {
    home,
    founding,
    ...storedIn(store, daemon.files.place),
    directory,
    removals,
    overview,
    alarmSettings,
    tokens,
    audit,
    reach,
    network: networkSideOf(daemon, stop),
    events,
    now: Date.now,
  };
}

function networkSideOf(daemon: ServerParts, stop: () => void): NetworkSide {
  const { network, founding, identity, collects, alarms } = daemon;
  return {
    get status() {
      return statusOf(daemon);
    },
    get serverCount() {
      const list = daemon.group?.list;
      return list === undefined ? 1 : serversOf(list).length;
    },
    get lastServers() {
      const { group, record } = daemon;
      if (group === undefined) return undefined;
      return { entries: group.servers, list: group.list, founder: group.founder, record: record.current };
    },
    get transfers() {
      return daemon.presence.allTransfers;
    },
    // Not at once: the command that asked still waits for its answer.
    stop: () => void setImmediate(stop),
    serversChanged: async () => await daemon.group?.listChanged(),
    announceMembers: () => network.broadcastSoon(),
    broadcast: (text, to) =>
      network.texts.hand(signText(identity, { network: founding.network, to, time: Date.now(), text })),
    beginCollect: (name) => collects.runNow(name),
    testAlarm: (channels, signal) => alarms.test(channels, signal),
    endCollect: (name) => collects.forget(name),
  };
}

function statusOf({
  version,
  startedAt,
  listened,
  network,
  health,
  alarms,
  http,
}: ServerParts): NetworkStatus {
  return {
    running: true,
    version,
    pid: process.pid,
    uptimeMs: Date.now() - startedAt,
    listen: formatHostPort(listened),
    http: http.url ?? null,
    certificate:
      http.certificate === undefined
        ? null
        : { endsAt: iso(http.certificate.endsAt), problem: http.certificate.problem ?? null },
    connections: network.messengers.size,
    storeProblem: health.problem?.message ?? null,
    alarmProblem: alarms.problem ?? null,
  };
}

/** What of a store, and of where files are, the methods work on. */
export function storedIn(store: Store, { collected }: FilesPlace): StoredSide {
  return {
    registry: store.registry,
    servers: store.servers,
    collects: store.collects,
    collected,
    attachments: store.attachments,
    storeAt: store.at,
    storeBytes: () => store.bytes(),
    reports: store.reports,
    samples: store.samples,
    messages: store.messages,
    alarms: store.alarms,
    auditStore: store.audit,
  };
}

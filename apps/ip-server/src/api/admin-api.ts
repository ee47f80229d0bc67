import { dirname, join } from 'node:path';
import { formatHostPort, signText, type Broadcasted, type ToldTransfer } from '@filer/protocol';
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
import type { CollectRun, CollectStore } from '../store/collect-store.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import type { AlarmChannel, AlarmStore } from '../store/alarm-store.ts';
import type { AuditStore } from '../store/audit-store.ts';
import type { MessageStore } from '../store/message-store.ts';
import type { ReportStore } from '../store/report-store.ts';
import type { StoreAt } from '../store/interfaces.ts';
import type { SampleStore } from '../store/sample-store.ts';
import type { Founding, Registry } from '../store/registry.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { ServerEventData } from './contract/events.ts';
import type { StatusDocument } from './contract/server.ts';

/** What the methods work on: the running server, or one that a command opens for its own time. */
export interface AdminApi {
  readonly home: Home;
  readonly founding: Founding;
  readonly registry: Registry;
  /** What several servers share; undefined where there is one. */
  readonly servers: ServerStore | undefined;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly collects: CollectStore;
  /** Where files of collects go that are not given a folder. */
  readonly collected: string;
  readonly attachments: AttachmentStore;
  /** Where it is that everything is stored. */
  readonly storeAt: StoreAt;
  /** What it takes there. @throws FilerError when it cannot be reached */
  readonly storeBytes: () => Promise<number>;
  readonly reports: ReportStore;
  readonly samples: SampleStore;
  readonly messages: MessageStore;
  readonly overview: Overview;
  readonly alarms: AlarmStore;
  readonly alarmSettings: AlarmSettings;
  /** Who may come in over HTTP. */
  readonly tokens: ServerTokens;
  /** Where is written who changes what. */
  readonly audit: AuditLog;
  readonly auditStore: AuditStore;
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
    registry: store.registry,
    servers: store.servers,
    directory,
    removals,
    collects: store.collects,
    collected: collectedIn(home),
    attachments: store.attachments,
    storeAt: store.at,
    storeBytes: () => store.bytes(),
    reports: store.reports,
    samples: store.samples,
    messages: store.messages,
    overview,
    alarms: store.alarms,
    alarmSettings,
    tokens,
    audit,
    auditStore: store.audit,
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

export function collectedIn({ databaseFile }: Home): string {
  return join(dirname(databaseFile), 'collected');
}

import type { Identity } from '@filer/protocol';
import type { Environment, EventRing, Home, Logger, Methods } from '@filer/program';
import type { AlarmSettings } from '../alarms/alarm-settings.ts';
import type { Alarms } from '../alarms/alarms.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import type { Collects } from '../collect/collects.ts';
import type { AuditLog } from '../http/audit-log.ts';
import type { ServerHttp } from '../http/server-http.ts';
import type { ServerTokens } from '../http/server-tokens.ts';
import type { Directory } from '../network/directory.ts';
import type { OwnRecord } from '../network/own-record.ts';
import type { PeerServer } from '../network/peer-server.ts';
import type { Presence } from '../network/presence.ts';
import type { Reachable } from '../network/reach.ts';
import type { ServerGroup } from '../network/server-group.ts';
import type { Removals } from '../network/removals.ts';
import type { Founding, ListenedAt } from '../store/registry.ts';
import type { ServerSettings } from '../settings.ts';
import type { Store } from '../store/interfaces.ts';
import type { Files } from '../uploads/files-place.ts';
import type { Overview } from './overview.ts';
import type { StoreHealth } from './store-health.ts';

/** What a server is opened with. @see openServer */
export interface ServerOptions {
  readonly home: Home;
  readonly settings: ServerSettings;
  readonly environment: Environment;
  readonly log: Logger;
  readonly version: string;
  /** What commands can ask of the running server. */
  readonly methodsOf: (server: ServerParts) => Methods;
  /** The folder of the built dashboard. @default none */
  readonly pages?: string;
  /** Told when the network is made by this start, before its port opens. @default nothing */
  readonly onFounded?: () => void;
  /** So long a store elsewhere has for what is to be stored at the end, in ms. @default 10,000 */
  readonly storeEndMs?: number | undefined;
  /** So long an answer of a store elsewhere is awaited, in ms. @default 12,000 */
  readonly storeAnswerMs?: number | undefined;
  /** A store elsewhere that was silent for so long is cut off from this server, in ms. @default CUT_OFF_MS */
  readonly cutOffMs?: number | undefined;
  /** How often it renews its lease among several servers, and looks at whether it is cut off, in ms. @default BEAT_MS */
  readonly beatMs?: number | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal;
}

/** The parts of a running ip-server that commands work on. @see openServer */
export interface ServerParts {
  readonly home: Home;
  readonly version: string;
  readonly startedAt: number;
  /** What changes; commands follow it. */
  readonly events: EventRing<ServerEventData>;
  readonly store: Store;
  readonly identity: Identity;
  readonly founding: Founding;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly presence: Presence;
  readonly health: StoreHealth;
  readonly overview: Overview;
  readonly alarms: Alarms;
  readonly alarmSettings: AlarmSettings;
  readonly network: PeerServer;
  /** Among the other servers of the network; undefined where there can be only one. */
  readonly group: ServerGroup | undefined;
  /** Where this server is, as it was signed. */
  readonly record: OwnRecord;
  readonly collects: Collects;
  /** Where files of machines are. */
  readonly files: Files;
  /** Where it listens. */
  readonly listened: ListenedAt;
  /** The dashboard and the API. */
  readonly http: ServerHttp;
  readonly tokens: ServerTokens;
  readonly audit: AuditLog;
  /** Where machines reach it, for invites. */
  readonly reach: Reachable;
}

/** A running ip-server. */
export interface ServerDaemon extends ServerParts {
  /** Goodbye to the clients, everything stored, home free. May be called twice. */
  close(): Promise<void>;
}

import type { Identity } from '@filer/protocol';
import type { EventRing, Home } from '@filer/program';
import type { AlarmSettings } from '../alarms/alarm-settings.ts';
import type { Alarms } from '../alarms/alarms.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import type { Collects } from '../collect/collects.ts';
import type { AuditLog } from '../http/audit-log.ts';
import type { ServerHttp } from '../http/server-http.ts';
import type { ServerTokens } from '../http/server-tokens.ts';
import type { Directory } from '../network/directory.ts';
import type { PeerServer } from '../network/peer-server.ts';
import type { Presence } from '../network/presence.ts';
import type { Reachable } from '../network/reach.ts';
import type { ServerGroup } from '../network/server-group.ts';
import type { Removals } from '../network/removals.ts';
import type { Founding, ListenedAt } from '../store/registry.ts';
import type { Store } from '../store/interfaces.ts';
import type { Overview } from './overview.ts';
import type { StoreHealth } from './store-health.ts';

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
  readonly collects: Collects;
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

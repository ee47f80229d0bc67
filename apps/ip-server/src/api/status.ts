import { existsSync } from 'node:fs';
import { formatHostPort } from '@filer/protocol';
import type { AlarmSettings } from '../alarms/alarm-settings.ts';
import type { Desk } from './desk.ts';

/** What `status` says. */
export interface StatusDocument {
  readonly id: string;
  readonly network: string;
  readonly running: boolean;
  readonly version: string | null;
  readonly pid: number | null;
  readonly uptimeMs: number | null;
  /** `host:port`, bound; null while stopped. */
  readonly listen: string | null;
  /** Where invites say that it is. */
  readonly addresses: readonly string[];
  readonly http: null;
  readonly members: number;
  readonly online: number;
  readonly connections: number;
  /** `here`: whoever controls this server can admit members. `exported`: invites and removals need the file. */
  readonly networkKey: 'here' | 'exported';
  /** What the files of reports take, in bytes. */
  readonly attachmentBytes: number;
  /** Why the store fails, or takes no attachments; null while it works. */
  readonly storeProblem: string | null;
  /** Members of whom a report is late, or missing; one is counted once. */
  readonly late: number;
  readonly missing: number;
  readonly alarms: AlarmsStatus;
  readonly home: string;
}

/** Who is told that reports are missing. */
export interface AlarmsStatus extends AlarmSettings {
  /** Alarms that are still to be told, by who is told. */
  readonly waiting: { readonly hook: number; readonly webhook: number };
  /** Why the last one was not delivered; null when it was, and while the server is stopped. */
  readonly problem: string | null;
}

export function statusDocument(desk: Desk): StatusDocument {
  const { founding, home, overview, daemon, reach, now } = desk;
  const peers = overview.peers(false);
  const listened = daemon?.listened;
  return {
    id: founding.server,
    network: founding.network,
    running: daemon !== undefined,
    version: daemon?.version ?? null,
    pid: daemon === undefined ? null : process.pid,
    uptimeMs: daemon === undefined ? null : now() - daemon.startedAt,
    listen: listened === undefined ? null : formatHostPort(listened),
    addresses: reach.addresses.map(formatHostPort),
    http: null,
    members: peers.length,
    online: peers.filter(({ online }) => online).length,
    connections: daemon?.network.messengers.size ?? 0,
    networkKey: existsSync(home.networkKeyFile) ? 'here' : 'exported',
    attachmentBytes: desk.attachments.bytes,
    storeProblem: daemon?.health.problem?.message ?? null,
    late: peers.filter(({ reports }) => reports === 'late').length,
    missing: peers.filter(({ reports }) => reports === 'missing').length,
    alarms: alarmsStatus(desk),
    home: home.identityFolder,
  };
}

function alarmsStatus({ alarms, alarmSettings, daemon }: Desk): AlarmsStatus {
  return {
    ...alarmSettings,
    waiting: { hook: alarms.waiting('hook'), webhook: alarms.waiting('webhook') },
    problem: daemon?.alarms.problem ?? null,
  };
}

import { iso } from '@filer/program';
import type { PeerView, ScheduleState } from '../daemon/overview.ts';
import type { HeartbeatAt } from '../store/registry.ts';
import type { Desk } from './desk.ts';

/** What `peers` says of one machine. Times are ISO 8601 UTC. */
export interface PeerEntry {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly online: boolean;
  readonly state: PeerView['state'];
  readonly lastSeen: string;
  readonly addresses: readonly string[];
  /** How the machine is connected to this server. */
  readonly via: 'direct' | null;
  readonly version: string | null;
  readonly lastHeartbeat: LastHeartbeat | null;
  /** The worst of its schedules. */
  readonly reports: PeerView['reports'];
  readonly schedules: readonly ScheduleEntry[];
}

/** What a machine has announced that it will report, and how it does. */
export interface ScheduleEntry {
  readonly name: string;
  readonly state: ScheduleState;
  readonly dueAt: string;
  readonly lastReportAt: string | null;
  /** When the state began. */
  readonly since: string;
}

/** The last volatile numbers of a machine. Sizes in bytes, durations in ms. */
export interface LastHeartbeat {
  readonly time: string;
  readonly uptimeMs: number;
  /** One-minute load average. */
  readonly load: number;
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
  readonly inboxFreeBytes: number;
  readonly transfers: number;
  readonly spooled: number;
}

export interface PeersDocument {
  readonly server: { readonly connected: boolean; readonly asOf: string };
  readonly peers: readonly PeerEntry[];
}

/** @param all those that left or were removed, too */
export function peersDocument({ overview, daemon, now }: Desk, all: boolean): PeersDocument {
  const peers = overview.peers(all);
  // While the server is stopped, what is known is as old as the last sign of anybody.
  const asOf = daemon === undefined ? Math.max(0, ...peers.map(({ member }) => member.lastSeen)) : now();
  return {
    server: { connected: daemon !== undefined, asOf: iso(asOf) },
    peers: peers.map(entryOf),
  };
}

function entryOf({ member, online, state, lastHeartbeat, schedules, reports }: PeerView): PeerEntry {
  const { membership, record, lastSeen, software } = member;
  return {
    id: membership.id,
    name: membership.name,
    groups: membership.groups,
    online,
    state,
    lastSeen: iso(lastSeen),
    addresses: record?.addresses ?? [],
    via: online ? 'direct' : null,
    version: software === '' ? null : software,
    lastHeartbeat: lastHeartbeat === undefined ? null : heartbeatOf(lastHeartbeat),
    reports,
    schedules: schedules.map(({ name, state: how, dueAt, lastReportAt, since }) => ({
      name,
      state: how,
      dueAt: iso(dueAt),
      lastReportAt: lastReportAt === undefined ? null : iso(lastReportAt),
      since: iso(since),
    })),
  };
}

function heartbeatOf({ at, heartbeat }: HeartbeatAt): LastHeartbeat {
  const { loadHundredths, ...rest } = heartbeat;
  return { time: iso(at), load: loadHundredths / 100, ...rest };
}

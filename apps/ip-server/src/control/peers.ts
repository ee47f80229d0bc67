import { iso } from './iso.ts';
import type { Member } from '../store/registry.ts';
import type { Desk } from './desk.ts';

/** What `peers` says of one machine. Times are ISO 8601 UTC. */
export interface PeerEntry {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly online: boolean;
  readonly state: 'online' | 'stopped' | 'lost' | 'left' | 'removed';
  readonly lastSeen: string;
  readonly addresses: readonly string[];
  /** How the machine is connected to this server. */
  readonly via: 'direct' | null;
  readonly version: string | null;
  readonly lastHeartbeat: LastHeartbeat | null;
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
export function peersDocument(desk: Desk, all: boolean): PeersDocument {
  const { directory, daemon, now } = desk;
  daemon?.presence.sweep(now());
  const members = directory.all().filter((member) => all || member.status === 'member');
  // While the server is stopped, what is known is as old as the last sign of anybody.
  const asOf = daemon === undefined ? Math.max(0, ...members.map((member) => member.lastSeen)) : now();
  return {
    server: { connected: daemon !== undefined, asOf: iso(asOf) },
    peers: members.map((member) => entryOf(desk, member)).toSorted((a, b) => compare(a.name, b.name)),
  };
}

function entryOf({ daemon }: Desk, member: Member): PeerEntry {
  const { membership, record, presence, lastSeen, software, status } = member;
  const online = daemon !== undefined && presence === 'online';
  const heartbeat = daemon?.presence.lastHeartbeat(membership.id) ?? member.heartbeat;
  return {
    id: membership.id,
    name: membership.name,
    groups: membership.groups,
    online,
    state: status === 'member' ? stateOf(online, presence) : status,
    lastSeen: iso(lastSeen),
    addresses: record?.addresses ?? [],
    via: online ? 'direct' : null,
    version: software === '' ? null : software,
    lastHeartbeat: heartbeat === undefined ? null : heartbeatOf(heartbeat.at, heartbeat.heartbeat),
  };
}

function stateOf(online: boolean, presence: Member['presence']): PeerEntry['state'] {
  if (online) return 'online';
  return presence === 'stopped' ? 'stopped' : 'lost';
}

function heartbeatOf(at: number, heartbeat: NonNullable<Member['heartbeat']>['heartbeat']): LastHeartbeat {
  const { loadHundredths, ...rest } = heartbeat;
  return { time: iso(at), load: loadHundredths / 100, ...rest };
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

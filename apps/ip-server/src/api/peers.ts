import { formatHostPort, isDialable, tcpAddressesOf } from '@filer/protocol';
import { iso } from '@filer/program';
import type { PeerView } from '../daemon/overview.ts';
import type { HeartbeatAt } from '../store/registry.ts';
import type { AdminApi } from './admin-api.ts';
import type { LastHeartbeat, PeerEntry, PeersDocument } from './contract/members.ts';

/** @param all those that left or were removed, too */
export async function peersDocument(
  { overview, network, now }: AdminApi,
  all: boolean,
): Promise<PeersDocument> {
  const views: PeerView[] = [];
  const peers: PeerEntry[] = [];
  for await (const some of overview.inTurns(({ status }) => all || status === 'member')) {
    views.push(...some);
    peers.push(...some.map(entryOf));
  }
  const connected = network.status.running;
  // While the server is stopped, what is known is as old as the last sign of a machine.
  const asOf = connected ? now() : Math.max(0, ...views.map(({ member }) => member.lastSeen));
  const count = network.serverCount;
  return { server: { connected, asOf: iso(asOf), count }, peers: peers.toSorted(byName) };
}

function byName(a: PeerEntry, b: PeerEntry): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

function entryOf({ member, online, state, server, lastHeartbeat, schedules, reports }: PeerView): PeerEntry {
  const { membership, record, lastSeen, software } = member;
  return {
    id: membership.id,
    name: membership.name,
    groups: membership.groups,
    online,
    state,
    lastSeen: iso(lastSeen),
    addresses: tcpAddressesOf(record?.addresses ?? [], isDialable).map(formatHostPort),
    via: online ? 'direct' : null,
    server: server ?? null,
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

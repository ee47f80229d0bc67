import { setImmediate as turn } from 'node:timers/promises';
import { formatHostPort, isDialable, tcpAddressesOf } from '@filer/protocol';
import { iso, type Call, type EventOf } from '@filer/program';
import type { PeerView } from '../daemon/overview.ts';
import { standingOf } from '../daemon/standing.ts';
import type { AdminApi } from './admin-api.ts';
import type { ServerEventData } from './contract/events.ts';
import { STANDINGS, type MachineRow, type SamplesDocument, type TransferEntry } from './contract/machines.ts';
import { findMember } from './members.ts';

/** Rows that are made in one go: the server's only thread has others to serve. */
const ROWS_A_TURN = 200;

/** Points of a chart: no screen shows more side by side. */
const MAX_POINTS = 600;

/** @see the contract */
export async function tellMachines(
  api: AdminApi,
  since: string | undefined,
  { emit, signal }: Call<MachineRow>,
): Promise<{ at: string; time: string; all: boolean; removed: string[]; servers: number }> {
  const { events, overview, directory, reports, now } = api;
  // Asked for before the rows are made: what changes meanwhile is told once more by the next answer.
  const { last: at, events: changes } = events.after(since);
  const reported = await reports.lastReceived();
  const removed: string[] = [];
  const ids = changes === undefined ? await idsInOrder(api) : changedIn(changes);
  let rows: MachineRow[] = [];
  const send = async (): Promise<void> => {
    signal.throwIfAborted();
    await emit(...rows);
    rows = [];
    await turn();
  };
  for (let from = 0; from < ids.length; from += ROWS_A_TURN) {
    const some = ids.slice(from, from + ROWS_A_TURN);
    for (const view of overview.each(some)) {
      if (view.member.status === 'removed') removed.push(view.member.membership.id);
      else rows.push(rowOf(view, reported.get(view.member.membership.id)));
    }
    await send();
  }
  removed.push(...ids.filter((id) => directory.get(id) === undefined));
  return { at, time: iso(now()), all: changes === undefined, removed, servers: api.network.serverCount };
}

/** Machines of whose changes was told. */
function changedIn(changes: readonly EventOf<ServerEventData>[]): string[] {
  const ids = changes.flatMap((event): readonly string[] => {
    if (event.type === 'peer') return [event.data.id];
    if (event.type === 'schedule') return [event.data.peer];
    return event.type === 'report' ? event.data.peers : [];
  });
  return [...new Set(ids)];
}

/** Those that need attention first, then by name. */
async function idsInOrder({ overview, directory }: AdminApi): Promise<string[]> {
  const all = directory.all().filter(({ status }) => status !== 'removed');
  const order: { readonly id: string; readonly name: string; readonly rank: number }[] = [];
  for (let from = 0; from < all.length; from += 5 * ROWS_A_TURN) {
    const ids = all.slice(from, from + 5 * ROWS_A_TURN).map(({ membership }) => membership.id);
    for (const view of overview.each(ids)) {
      const { id, name } = view.member.membership;
      order.push({ id, name, rank: STANDINGS.indexOf(standingOf(view)) });
    }
    await turn();
  }
  return order.toSorted((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1)).map(({ id }) => id);
}

function rowOf(view: PeerView, reportedAt: number | undefined): MachineRow {
  const { member, online, state, server, lastHeartbeat, schedules } = view;
  const { membership, record, lastSeen, software } = member;
  const [address] = tcpAddressesOf(record?.addresses ?? [], isDialable);
  const due = schedules.filter((each) => each.state !== 'stopped').map(({ dueAt }) => dueAt);
  const heartbeat = lastHeartbeat?.heartbeat;
  return {
    id: membership.id,
    name: membership.name,
    groups: membership.groups,
    standing: standingOf(view),
    online,
    stopped: state === 'stopped',
    seenAt: iso(lastSeen),
    reportedAt: reportedAt === undefined ? null : iso(reportedAt),
    dueAt: due.length === 0 ? null : iso(Math.min(...due)),
    overdue: schedules
      .filter(({ state: how }) => how === 'late' || how === 'missing')
      .map(({ name }) => name),
    version: software === '' ? null : software,
    freeBytes: heartbeat?.inboxFreeBytes ?? null,
    transfers: online ? (heartbeat?.transfers ?? 0) : 0,
    address: address === undefined ? null : formatHostPort(address),
    via: online ? 'direct' : null,
    server: server ?? null,
  };
}

/** @see the contract */
export async function samplesDocument(api: AdminApi, peer: string, since: number): Promise<SamplesDocument> {
  const samples = await api.samples.of(findMember(api, peer).membership.id, since);
  const perPoint = Math.max(1, Math.ceil(samples.length / MAX_POINTS));
  const points = Array.from({ length: Math.ceil(samples.length / perPoint) }, (_, index) =>
    samples.slice(index * perPoint, (index + 1) * perPoint),
  );
  const column = (of: (sample: (typeof samples)[number]) => number): number[] =>
    points.map((point) => point.reduce((sum, each) => sum + of(each), 0) / point.length);
  return {
    times: points.map((point) => Math.round((point.at(-1)?.at ?? 0) / 1_000)),
    load: column(({ heartbeat }) => heartbeat.loadHundredths / 100),
    memoryTotalBytes: column(({ heartbeat }) => heartbeat.memoryTotalBytes),
    memoryFreeBytes: column(({ heartbeat }) => heartbeat.memoryFreeBytes),
    inboxFreeBytes: column(({ heartbeat }) => heartbeat.inboxFreeBytes),
    transfers: column(({ heartbeat }) => heartbeat.transfers),
    spooled: column(({ heartbeat }) => heartbeat.spooled),
  };
}

/** @see the contract */
export function transferEntries({ network, directory }: AdminApi): TransferEntry[] {
  const nameOf = (id: string): string => directory.get(id)?.membership.name ?? id;
  return [...network.transfers].flatMap(([teller, transfers]) =>
    transfers.map(({ kind, peer, filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond }) => {
      const [fromId, toId] = kind === 'send' ? [teller, peer] : [peer, teller];
      const amounts = { filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond };
      return { from: nameOf(fromId), fromId, to: nameOf(toId), toId, ...amounts };
    }),
  );
}

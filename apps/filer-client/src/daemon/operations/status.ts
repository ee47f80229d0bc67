import { formatHostPort, type AnnouncedSchedule } from '@filer/protocol';
import type { peerMethods, Status } from '../../api/contract/peers.ts';
import { problemDocument } from '../../network/server-access.ts';
import type { StandingLimit } from '../../network/standing-limits.ts';
import type { OperationOf } from '../operation-context.ts';

export const status: OperationOf<typeof peerMethods.status> = async ({
  member,
  access,
  schedules,
  daemon,
}) => {
  await daemon.prepareTransfers();
  const current = access.current;
  const asOf = current === undefined ? member.directory.asOf : Date.now();
  return {
    id: member.id,
    name: member.name,
    groups: member.groups,
    network: member.network,
    running: daemon.isRunning,
    ended: member.ended,
    server: {
      id: member.server.id,
      connected: current !== undefined,
      asOf: asOf === undefined ? null : new Date(asOf).toISOString(),
      address:
        current === undefined
          ? member.server.addresses.map(formatHostPort).join(', ')
          : formatHostPort(current.address),
      problem: problemDocument(access),
    },
    listen: daemon.listen,
    inbox: await daemon.inboxFolder(),
    limits: { send: limitDocument(member.limits.send), receive: limitDocument(member.limits.receive) },
    spool: member.spool.size,
    schedules: schedules.entries.length,
    nextReport: nextReport(schedules.announce()),
    spoolRefused: member.spool.refusedSize,
    offers: member.offers.all().filter(({ state }) => state === 'waiting').length,
    jobs: member.jobs.openCount,
    connections: daemon.connections(),
    reached: member.pathsUsed.counts,
  };
};

function limitDocument({ windows, rate }: StandingLimit): Status['limits']['send'] {
  return { windows: windows.map(({ text }) => text), now: rate ?? null };
}

function nextReport(schedules: readonly AnnouncedSchedule[]): Status['nextReport'] {
  const [next] = schedules.toSorted((a, b) => a.nextInMs - b.nextInMs);
  if (next === undefined) return null;
  const { name, nextInMs } = next;
  return { name, at: nextInMs === 0 ? null : new Date(Date.now() + nextInMs).toISOString() };
}

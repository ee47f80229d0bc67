import { formatHostPort, type AnnouncedSchedule } from '@filer/protocol';
import { problemDocument, type ServerProblemDocument } from '../../network/server-access.ts';
import type { Operation } from '../site.ts';

/** `status --json`: who this machine is and how it is connected. */
export interface Status {
  readonly id: string;
  readonly name: string;
  readonly groups: readonly string[];
  readonly network: string;
  readonly running: boolean;
  readonly server: {
    readonly id: string;
    readonly connected: boolean;
    readonly address: string;
    /** When it was last connected, ISO 8601; null for never. */
    readonly asOf: string | null;
    /** Why the daemon is not connected. */
    readonly problem: ServerProblemDocument | null;
  };
  readonly listen: string | null;
  readonly inbox: string;
  /** Reports that wait. */
  readonly spool: number;
  /** What it reports by itself. */
  readonly schedules: number;
  /** The schedule that is due next, and when: null at `at` is now. */
  readonly nextReport: { readonly name: string; readonly at: string | null } | null;
  /** Reports that the server refused for good. */
  readonly spoolRefused: number;
  /** Jobs that run or wait. */
  readonly jobs: number;
  readonly connections: number;
}

export const status: Operation = ({ member, access, daemon }) => {
  const current = access.current;
  const asOf = current === undefined ? member.directory.asOf : Date.now();
  const result: Status = {
    id: member.id,
    name: member.name,
    groups: member.groups,
    network: member.network,
    running: daemon !== undefined,
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
    listen: daemon?.listen ?? null,
    inbox: daemon?.inbox ?? member.home.inbox,
    spool: member.spool.size,
    schedules: member.schedules.entries.length,
    nextReport: nextReport(member.schedules.announce()),
    spoolRefused: member.spool.refusedSize,
    jobs: member.jobs.openCount,
    connections: daemon?.connections() ?? 0,
  };
  return Promise.resolve(result);
};

function nextReport(schedules: readonly AnnouncedSchedule[]): Status['nextReport'] {
  const [next] = schedules.toSorted((a, b) => a.nextInMs - b.nextInMs);
  if (next === undefined) return null;
  const { name, nextInMs } = next;
  return { name, at: nextInMs === 0 ? null : new Date(Date.now() + nextInMs).toISOString() };
}

import { setImmediate as turn } from 'node:timers/promises';
import { CollectOverview, type CollectOverviewParts } from './collect-overview.ts';
import type { Presence } from '../network/presence.ts';
import type { Directory } from '../network/directory.ts';
import { isExcused } from '../reports/expectations.ts';
import { wallTime, type Moment } from '../reports/steady-clock.ts';
import type { Expectation, Punctuality } from '../store/expectation.ts';
import type { HeartbeatAt, Member } from '../store/registry.ts';

/** How a schedule does; `stopped` while its machine said that it would be away. */
export type ScheduleState = Punctuality | 'stopped';

/** A schedule as people are told about it. Times in ms since the epoch. */
export interface ScheduleView {
  readonly name: string;
  readonly state: ScheduleState;
  readonly dueAt: number;
  readonly lastReportAt: number | undefined;
  /** When the state began. */
  readonly since: number;
}

/** Everything that is known of one machine. Times in ms since the epoch. */
export interface PeerView {
  readonly member: Member;
  readonly online: boolean;
  /** `unknown` when the server that holds its session was not heard of for some seconds. */
  readonly state: 'online' | 'unknown' | 'stopped' | 'lost' | 'left' | 'removed';
  /** Id of the server that holds its session; undefined while it is offline. */
  readonly server: string | undefined;
  readonly lastHeartbeat: HeartbeatAt | undefined;
  /** By name. */
  readonly schedules: readonly ScheduleView[];
  /** The worst of its schedules; `none` without any. */
  readonly reports: ScheduleState | 'none';
}

export interface OverviewParts {
  readonly directory: Directory;
  /** Undefined while the server is stopped: no one is online then, and what is shown is as it was. */
  readonly presence: Presence | undefined;
  readonly schedulesOf: (peer: string) => readonly Expectation[];
  readonly collects: CollectOverviewParts;
  /** Whether it is not known if a machine is at a server, or (undefined) at none. @default it is known */
  readonly isDoubtful?: (server: string | undefined) => boolean;
  /** Id of this server. */
  readonly server: string;
  readonly now: () => Moment;
}

/** Views that are made in one go: a few ms. */
const PEERS_A_TURN = 500;

/** What is worse comes first. */
const WORST_FIRST: readonly ScheduleState[] = ['missing', 'late', 'stopped', 'ok'];

/**
 * What an eye on the network needs, in one place: who is there, how their reports come, what is collected. Commands read it now, and so
 * will the dashboard.
 */
export class Overview {
  /** What is collected, and how that goes. */
  readonly collects: CollectOverview;
  readonly #parts: OverviewParts;

  constructor(parts: OverviewParts) {
    this.#parts = parts;
    this.collects = new CollectOverview(parts.collects);
  }

  /** Some of them, or all, in no order, one after the other: a long list need not be made in one go. */
  *each(ids: Iterable<string>): Generator<PeerView, void, void> {
    const { directory, presence, now } = this.#parts;
    const moment = now();
    presence?.sweep(moment.time, performance.now());
    for (const id of ids) {
      const member = directory.get(id);
      if (member !== undefined) yield this.#peer(member, moment);
    }
  }

  /** All of a status that was chosen, in turns: the server's only thread has others to serve. */
  async *inTurns(chosen: (member: Member) => boolean): AsyncGenerator<readonly PeerView[], void, void> {
    const members = this.#parts.directory.all().filter(chosen);
    for (let from = 0; from < members.length; from += PEERS_A_TURN) {
      if (from > 0) await turn();
      const ids = members.slice(from, from + PEERS_A_TURN).map(({ membership }) => membership.id);
      yield [...this.each(ids)].filter(({ member }) => chosen(member));
    }
  }

  #peer(member: Member, moment: Moment): PeerView {
    const { presence, schedulesOf, isDoubtful } = this.#parts;
    const { id } = member.membership;
    const online = presence !== undefined && member.presence === 'online';
    const server = online ? (member.server ?? this.#parts.server) : undefined;
    const schedules = (member.status === 'member' ? schedulesOf(id) : [])
      .map((each) => scheduleView(each, moment))
      .toSorted((a, b) => compareText(a.name, b.name));
    return {
      member,
      online,
      state: member.status === 'member' ? stateOf(server, member, isDoubtful) : member.status,
      server,
      lastHeartbeat: presence?.lastHeartbeat(id) ?? member.heartbeat,
      schedules,
      reports: WORST_FIRST.find((state) => schedules.some((each) => each.state === state)) ?? 'none',
    };
  }
}

function scheduleView(expectation: Expectation, moment: Moment): ScheduleView {
  const { schedule, state, reportedAt, since } = expectation;
  return {
    name: schedule,
    state: isExcused(expectation) ? 'stopped' : state,
    dueAt: wallTime(expectation.dueAt, moment),
    lastReportAt: reportedAt,
    since,
  };
}

function stateOf(
  server: string | undefined,
  { presence }: Member,
  isDoubtful: OverviewParts['isDoubtful'],
): PeerView['state'] {
  if (server === undefined && presence === 'stopped') return 'stopped';
  if (isDoubtful?.(server) === true) return 'unknown';
  return server === undefined ? 'lost' : 'online';
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

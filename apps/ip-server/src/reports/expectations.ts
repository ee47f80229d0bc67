import { Rates, type AnnouncedSchedule, type Due } from '@filer/protocol';
import type { AlarmEvent } from '../store/alarm-store.ts';
import type { Expectation, ScheduleKey } from '../store/expectation.ts';
import type { Moment } from './steady-clock.ts';

/** Grace of a schedule that names none: the larger of these. */
const MIN_GRACE_MS = 60_000;
const GRACE_SHARE = 0.1;

/** Of the next report and the third one: so many intervals lie between them. */
const INTERVALS_TO_THIRD = 2;

/**
 * Alarms that a machine may cause at once: twice as many schedules as it may have; then so many an hour. One that means harm could
 * miss and send reports all day long, and have people called for each.
 */
const ALARMS_AT_ONCE = 200;
const ALARMS = { atOnce: ALARMS_AT_ONCE, perSecond: 1 / (3_600 / ALARMS_AT_ONCE) };

/** A report came for a schedule. */
export interface ScheduledReport {
  /** Id of the machine. */
  readonly peer: string;
  readonly schedule: string;
  /** When the next ones are due; undefined when it does not say. */
  readonly due: Due | undefined;
}

/** What a person may want to know at once. */
export interface ScheduleEvent {
  readonly event: AlarmEvent;
  /** When, by the steady clock. */
  readonly at: number;
  readonly before: Expectation;
  readonly now: Expectation;
}

/** What follows from something that happened. It counts once it is applied, after it was stored. */
export interface Change {
  readonly kept: readonly Expectation[];
  readonly dropped: readonly ScheduleKey[];
  readonly events: readonly ScheduleEvent[];
}

/**
 * What every machine has announced that it will report, and whether it does. Pure: clocks are arguments, and what is
 * found is a change that somebody stores and then applies.
 */
export class Expectations {
  readonly #byPeer = new Map<string, Map<string, Expectation>>();
  /** Machines that were not heard from since then are not judged before this, by the steady clock. */
  #heldUntil: number;
  readonly #heard = new Set<string>();
  readonly #alarms = new Rates(ALARMS);

  /** @param heldUntil by the steady clock: until then machines may come back that were away with the server */
  constructor(known: Iterable<Expectation>, heldUntil: number) {
    this.#heldUntil = heldUntil;
    this.apply({ kept: [...known], dropped: [], events: [] });
  }

  of(peer: string): Expectation[] {
    return [...(this.#byPeer.get(peer)?.values() ?? [])];
  }

  all(): Expectation[] {
    return [...this.#byPeer.values()].flatMap((each) => [...each.values()]);
  }

  get(peer: string, schedule: string): Expectation | undefined {
    return this.#byPeer.get(peer)?.get(schedule);
  }

  /** The server did not hear anybody for a while: everyone has time again to come back. */
  hold(until: number): void {
    this.#heldUntil = until;
    this.#heard.clear();
  }

  /**
   * The machine is there, and will report so from now on. Only a report makes good what was late, and what is due stays
   * due: a machine that comes again and again and never reports would not be late forever.
   */
  announced(peer: string, schedules: readonly AnnouncedSchedule[], moment: Moment): Change {
    const wasHeard = this.#heard.has(peer);
    this.#heard.add(peer);
    const names = new Set(schedules.map(({ name }) => name));
    const kept = schedules.map(({ name, graceMs, always, ...due }): Expectation => {
      const known = this.get(peer, name);
      const isDue = known !== undefined && wasHeard && !isExcused(known) && known.dueAt < moment.steady;
      const told = dueAt(due, moment);
      return {
        peer,
        schedule: name,
        always,
        graceMs,
        ...(isDue ? { dueAt: known.dueAt, thirdAt: Math.min(known.thirdAt, told.thirdAt) } : told),
        state: known?.state ?? 'ok',
        since: known?.since ?? moment.time,
        reportedAt: known?.reportedAt,
        stopped: false,
      };
    });
    return { kept, dropped: this.of(peer).filter(({ schedule }) => !names.has(schedule)), events: [] };
  }

  /** Reports in the order in which they came; those of schedules that are not expected say nothing. */
  reported(reports: readonly ScheduledReport[], moment: Moment): Change {
    const kept = new Map<string, Expectation>();
    const events: ScheduleEvent[] = [];
    for (const { peer, schedule, due } of reports) {
      const key = `${peer} ${schedule}`;
      const before = kept.get(key) ?? this.get(peer, schedule);
      if (before === undefined) continue;
      const reportedAt = moment.time;
      if (due === undefined) {
        kept.set(key, { ...before, reportedAt });
        continue;
      }
      const since = before.state === 'ok' ? before.since : moment.time;
      const now: Expectation = { ...before, ...dueAt(due, moment), state: 'ok', since, reportedAt };
      kept.set(key, now);
      if (before.state === 'missing') events.push({ event: 'back', at: moment.steady, before, now });
    }
    return { kept: [...kept.values()], dropped: [], events };
  }

  /** The machine has said goodbye. */
  stopped(peer: string): Change {
    return { kept: this.of(peer).map((each) => ({ ...each, stopped: true })), dropped: [], events: [] };
  }

  /** The machine is no member any more. */
  forgotten(peer: string): Change {
    return { kept: [], dropped: this.of(peer), events: [] };
  }

  /** What has become late or missing. */
  judged(moment: Moment): Change {
    const kept: Expectation[] = [];
    const events: ScheduleEvent[] = [];
    const isHeld = moment.steady < this.#heldUntil;
    for (const [peer, expectations] of this.#byPeer) {
      if (isHeld && !this.#heard.has(peer)) continue;
      let left = this.#alarms.left(peer, moment.steady);
      for (const before of expectations.values()) {
        const now = judge(before, moment);
        if (now === before || (now.state === 'missing' && left < 1)) continue;
        kept.push(now);
        if (now.state !== 'missing') continue;
        events.push({ event: 'missing', at: moment.steady, before, now });
        left--;
      }
    }
    return { kept, dropped: [], events };
  }

  apply({ kept, dropped, events }: Change): void {
    for (const { event, at, now } of events) if (event === 'missing') this.#alarms.take(now.peer, 1, at);
    for (const { peer, schedule } of dropped) {
      const expectations = this.#byPeer.get(peer);
      expectations?.delete(schedule);
      if (expectations?.size === 0) this.#byPeer.delete(peer);
    }
    for (const each of kept) {
      const expectations = this.#byPeer.get(each.peer) ?? new Map<string, Expectation>();
      expectations.set(each.schedule, each);
      this.#byPeer.set(each.peer, expectations);
    }
  }
}

/** Whether nothing is expected, since its machine said that it would be away. */
export function isExcused({ stopped, always }: Expectation): boolean {
  return stopped && !always;
}

function judge(expectation: Expectation, { steady, time }: Moment): Expectation {
  const { state, dueAt: due, thirdAt: third } = expectation;
  if (state === 'missing' || isExcused(expectation)) return expectation;
  const graceMs =
    expectation.graceMs ?? Math.max(MIN_GRACE_MS, (GRACE_SHARE * (third - due)) / INTERVALS_TO_THIRD);
  const becomes = (next: 'late' | 'missing', at: number): Expectation => ({
    ...expectation,
    state: next,
    since: Math.round(time - (steady - at)),
  });
  if (steady > third + graceMs) return becomes('missing', third + graceMs);
  if (state === 'ok' && steady > due + graceMs) return becomes('late', due + graceMs);
  return expectation;
}

function dueAt({ nextInMs, thirdInMs }: Due, { steady }: Moment): Pick<Expectation, 'dueAt' | 'thirdAt'> {
  return { dueAt: steady + nextInMs, thirdAt: steady + thirdInMs };
}

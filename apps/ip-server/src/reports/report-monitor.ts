import { setTimeout as wait } from 'node:timers/promises';
import { Semaphore, FilerError, type AnnouncedSchedule } from '@filer/protocol';
import { NO_EFFECTS, StaleEffects, type Effects } from '../store/effects.ts';
import type { ServerEvents } from '../api/contract/events.ts';
import type { Expectation } from '../store/expectation.ts';
import type { NewReport, StoreOutcome } from '../store/report-store.ts';
import type { Store } from '../store/interfaces.ts';
import { Expectations, type Change, type ScheduleEvent } from './expectations.ts';
import type { Moment, SteadyClock } from './steady-clock.ts';
import { UnsavedExpectations, type SharedExpectations } from './unsaved-expectations.ts';

/** Announcements that come within this time are committed together: a thousand machines may come back at once. */
const GATHER_MS = 20;

/** A server that did not look for so long slept, or stood still: no one was heard meanwhile. */
const STOOD_STILL_MS = 15_000;

const NOTHING: Change = { kept: [], dropped: [], events: [] };

/** How often the clock is stored at the least: after a restart it continues from there. */
const SAVE_CLOCK_MS = 60_000;

/** How often all that other servers have stored is read: what machines announce there, and how they report. */
const RELOAD_MS = 10_000;

/** Another server changes the same schedule in the same moment: a machine has just gone from one to the other. */
const TRIES = 5;

export interface ReportMonitorParts {
  readonly store: Pick<Store, 'reports' | 'expectations'>;
  readonly clock: SteadyClock;
  /** How long machines have to come back after the server was away. */
  readonly settleMs: number;
  /** Whether a machine is a member; nothing is expected of others. */
  readonly isMember: (peer: string) => boolean;
  /** The alarms of what happened, which are stored with it. */
  readonly alarmsOf: (
    events: readonly ScheduleEvent[],
    moment: Moment,
  ) => Pick<Effects, 'alarms' | 'channels'>;
  /** They are stored: somebody is to be told about them. */
  readonly onRaised: (events: readonly ScheduleEvent[]) => void;
  /** Of a network with several servers. @default what is stored is this server's alone */
  readonly shared?: SharedExpectations | undefined;
  readonly events: ServerEvents;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
}

/** What is expected of each machine, stored: it outlasts the server, and no alarm is raised twice or forgotten. */
export class ReportMonitor {
  readonly #parts: ReportMonitorParts;
  readonly #expectations: Expectations;
  readonly #unsaved: UnsavedExpectations;
  /** What is found, stored and applied is one step: no other one comes between. */
  readonly #steps = new Semaphore(1);
  /** What machines have said that is not taken in yet: a store that hangs holds up one step, and not one for each machine. */
  readonly #heard: { readonly peer: string; readonly find: () => Change }[] = [];
  #hearing: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  #clockSavedAt = Number.NEGATIVE_INFINITY;
  #reloadedAt = Number.NEGATIVE_INFINITY;
  /** Undefined before the first look: who comes back after the start has its time already. */
  #wasJudge: boolean | undefined;

  /** @param known what the store holds */
  constructor(parts: ReportMonitorParts, known: readonly Expectation[]) {
    const { clock, settleMs, isMember } = parts;
    this.#parts = parts;
    const { steady } = clock.now();
    this.#expectations = new Expectations(
      known.filter(({ peer }) => isMember(peer)),
      steady + settleMs,
    );
    this.#unsaved = new UnsavedExpectations(
      {
        expectations: this.#expectations,
        shared: parts.shared,
        isMember,
        apply: (change) => this.#apply(change),
      },
      known,
    );
  }

  now(): Moment {
    return this.#parts.clock.now();
  }

  of(peer: string): Expectation[] {
    return this.#expectations.of(peer);
  }

  /** Resolves when it is on the disk. @throws FilerError of the store */
  announce(peer: string, schedules: readonly AnnouncedSchedule[]): Promise<void> {
    return this.#soon(peer, () => this.#expectations.announced(peer, schedules, this.now()));
  }

  /** The machine has said goodbye. */
  goodbye(peer: string): void {
    // A store that fails says so itself, and is tried again.
    void this.#soon(peer, () => this.#expectations.stopped(peer)).catch(() => undefined);
  }

  /** The machine is no member any more. */
  forget(peer: string): void {
    void this.#soon(peer, () => this.#expectations.forgotten(peer)).catch(() => undefined);
  }

  /** Stores reports together with what they mean for the schedules of their machines. @returns, @throws as the store */
  append(reports: readonly NewReport[]): Promise<StoreOutcome[]> {
    const scheduled = reports.flatMap(({ peer, report: { kind, schedule }, due }) =>
      kind === 'schedule' ? [{ peer, schedule, due }] : [],
    );
    const peers = [...new Set(scheduled.map(({ peer }) => peer))];
    return this.#steps.take(() =>
      this.#retried(async () => {
        if (peers.length > 0) await this.#unsaved.reload(peers);
        const moment = this.now();
        const change = this.#expectations.reported(scheduled, moment);
        const outcomes = await this.#parts.store.reports.append(
          reports,
          this.#effectsOf(change, moment, false),
        );
        if (outcomes.every((outcome) => outcome === 'stored')) {
          this.#committed(change);
          this.#unsaved.forget(change.kept);
        }
        return outcomes;
      }),
    );
  }

  /** Looks who has become late or missing. One look at a time. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#steps
      .take(() => this.#sweep())
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  /** @throws FilerError of the store */
  async #retried<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof StaleEffects)) throw error;
        if (tries === TRIES)
          throw new FilerError('timed-out', 'other servers change the same schedules: it is tried again', {
            cause: error,
          });
        await this.#unsaved.rebase();
      }
    }
  }

  async #sweep(): Promise<void> {
    try {
      if (await this.#judges()) await this.#retried(() => this.#judge());
      else if (!this.#unsaved.isEmpty) await this.#retried(() => this.#tryCommit(NOTHING, this.now()));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.onProblem(error);
    }
  }

  /** Whether this server looks who is late. One that begins to do so knows nothing of who is just coming back. */
  async #judges(): Promise<boolean> {
    const { shared, clock, settleMs } = this.#parts;
    if (shared === undefined) return true;
    const { steady } = this.now();
    const isJudge = shared.isJudge();
    if (isJudge && this.#wasJudge === false) this.#expectations.hold(steady + settleMs);
    if (steady - this.#reloadedAt >= RELOAD_MS || (isJudge && this.#wasJudge !== true)) {
      await this.#unsaved.reload(undefined);
      this.#reloadedAt = steady;
      // One that does not judge may have nothing to store for long.
      if (this.#unsaved.isEmpty) this.#parts.onProblem(undefined);
    }
    this.#wasJudge = isJudge;
    if (!isJudge) clock.look();
    return isJudge;
  }

  async #judge(): Promise<void> {
    const moment = this.now();
    if (this.#parts.clock.look() > STOOD_STILL_MS)
      this.#expectations.hold(moment.steady + this.#parts.settleMs);
    if (this.#parts.shared !== undefined) {
      const found = this.#expectations.judged(moment).kept.map(({ peer }) => peer);
      if (found.length > 0) await this.#unsaved.reload([...new Set(found)]);
    }
    const change = this.#expectations.judged(moment);
    const isQuiet = change.kept.length === 0 && this.#unsaved.isEmpty;
    if (isQuiet && moment.steady - this.#clockSavedAt < SAVE_CLOCK_MS) return;
    // What cannot be stored is found again by the next look.
    await this.#tryCommit(change, moment);
  }

  /** Stores what is not stored yet. */
  async close(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    try {
      await this.#steps.take(() => this.#retried(() => this.#commit(NOTHING, this.now())));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    }
  }

  /** Counts at once; a crash before it is stored loses what the machines tell again when they come back. */
  async #soon(peer: string, find: () => Change): Promise<void> {
    this.#heard.push({ peer, find });
    this.#hearing ??= this.#steps.take(async () => {
      this.#hearing = undefined;
      const heard = this.#heard.splice(0);
      // While the store fails, what is known here counts.
      await this.#unsaved.reload([...new Set(heard.map((each) => each.peer))]).catch((error: unknown) => {
        if (!(error instanceof FilerError)) throw error;
      });
      for (const each of heard) {
        const change = each.find();
        this.#unsaved.remember([...change.kept, ...change.dropped]);
        this.#apply(change);
      }
    });
    await this.#hearing;
    if (this.#unsaved.isEmpty) return;
    this.#flushing ??= wait(GATHER_MS).then(() => {
      this.#flushing = undefined;
      return this.#steps.take(() => this.#retried(() => this.#commit(NOTHING, this.now())));
    });
    await this.#flushing;
  }

  async #tryCommit(change: Change, moment: Moment): Promise<void> {
    try {
      await this.#commit(change, moment);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    }
  }

  /** @throws FilerError of the store; nothing has changed then */
  async #commit(change: Change, moment: Moment): Promise<void> {
    const { store, clock, onProblem } = this.#parts;
    const effects = this.#effectsOf(this.#unsaved.with(change), moment, true);
    try {
      await store.expectations.apply({ ...effects, clock: clock.save() });
    } catch (error) {
      if (error instanceof FilerError) onProblem(error);
      throw error;
    }
    onProblem(undefined);
    this.#committed(change);
    this.#unsaved.forget();
    this.#clockSavedAt = moment.steady;
  }

  /** @param isAll whether everything that is not stored yet goes with it */
  #effectsOf({ kept, dropped, events }: Change, moment: Moment, isAll: boolean): Effects {
    const { alarms, channels } = events.length === 0 ? NO_EFFECTS : this.#parts.alarmsOf(events, moment);
    return { kept, dropped, alarms, channels, ...this.#unsaved.guards(kept, isAll) };
  }

  #committed(change: Change): void {
    this.#apply(change);
    if (change.events.length > 0) this.#parts.onRaised(change.events);
  }

  #apply(change: Change): void {
    this.#expectations.apply(change);
    for (const { peer, schedule: name } of [...change.kept, ...change.dropped])
      this.#parts.events.publish('schedule', { peer, name });
  }
}

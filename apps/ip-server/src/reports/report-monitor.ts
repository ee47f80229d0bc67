import { setTimeout as wait } from 'node:timers/promises';
import { Semaphore, FilerError, type AnnouncedSchedule } from '@filer/protocol';
import { NO_EFFECTS, StaleEffects, type Effects } from '../store/effects.ts';
import type { ServerEvents } from '../api/contract/events.ts';
import type { Expectation, ScheduleKey } from '../store/expectation.ts';
import type { NewReport, StoreOutcome } from '../store/report-store.ts';
import type { Store } from '../store/interfaces.ts';
import { Expectations, type Change, type LatenessEvent } from './expectations.ts';
import type { Moment, SteadyClock } from './steady-clock.ts';

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

export interface SharedExpectations {
  /** As any server has stored it. @param peers undefined for all */
  readonly load: (peers: readonly string[] | undefined) => Promise<Expectation[]>;
  /** Whether this is the server that looks who is late or missing. */
  readonly isJudge: () => boolean;
  /** Whether the session of a machine is at this server. */
  readonly isHere: (peer: string) => boolean;
}

/** Counts here and is not stored yet. */
interface Unsaved extends ScheduleKey {
  /** What the store said when it was changed here; undefined when it said nothing. */
  readonly base: Expectation | undefined;
}

export interface LatenessParts {
  readonly store: Pick<Store, 'reports' | 'expectations'>;
  readonly clock: SteadyClock;
  /** How long machines have to come back after the server was away. */
  readonly settleMs: number;
  /** Whether a machine is a member; nothing is expected of others. */
  readonly isMember: (peer: string) => boolean;
  /** The alarms of what happened, which are stored with it. */
  readonly alarmsOf: (
    events: readonly LatenessEvent[],
    moment: Moment,
  ) => Pick<Effects, 'alarms' | 'channels'>;
  /** They are stored: somebody is to be told about them. */
  readonly onRaised: (events: readonly LatenessEvent[]) => void;
  /** Of a network with several servers. @default what is stored is this server's alone */
  readonly shared?: SharedExpectations | undefined;
  readonly events: ServerEvents;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
}

/** What is expected of each machine, stored: it outlasts the server, and no alarm is raised twice or forgotten. */
export class ReportMonitor {
  readonly #parts: LatenessParts;
  readonly #expectations: Expectations;
  /** What is found, stored and applied is one step: no other one comes between. */
  readonly #steps = new Semaphore(1);
  /** By machine and schedule. */
  readonly #unsaved = new Map<string, Unsaved>();
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
  constructor(parts: LatenessParts, known: readonly Expectation[]) {
    const { clock, settleMs, isMember } = parts;
    this.#parts = parts;
    const { steady } = clock.now();
    this.#expectations = new Expectations(
      known.filter(({ peer }) => isMember(peer)),
      steady + settleMs,
    );
    // Its machine was removed while the server was stopped.
    for (const base of known) {
      const { peer, schedule } = base;
      if (!isMember(peer)) this.#unsaved.set(keyOf(base), { peer, schedule, base });
    }
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
        if (peers.length > 0) await this.#reload(peers);
        const moment = this.now();
        const change = this.#expectations.reported(scheduled, moment);
        const outcomes = await this.#parts.store.reports.append(reports, this.#effectsOf(change, moment));
        if (outcomes.every((outcome) => outcome === 'stored')) {
          this.#committed(change);
          for (const each of change.kept) this.#unsaved.delete(keyOf(each));
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

  /** Takes in what other servers have stored. What counts here and is not stored yet stays. @throws FilerError of the store */
  async #reload(peers: readonly string[] | undefined): Promise<void> {
    const { shared } = this.#parts;
    if (shared === undefined) return;
    const isOthers = (each: Expectation): boolean => !this.#unsaved.has(keyOf(each));
    const loaded = (await shared.load(peers)).filter(isOthers);
    const known =
      peers === undefined ? this.#expectations.all() : peers.flatMap((peer) => this.#expectations.of(peer));
    this.#expectations.apply({ kept: loaded, dropped: known.filter(isOthers), events: [] });
  }

  /** Notes what is about to change here, as the store has it. */
  #remember(changed: readonly ScheduleKey[]): void {
    for (const { peer, schedule } of changed) {
      const base = this.#expectations.get(peer, schedule);
      const key = keyOf({ peer, schedule });
      if (!this.#unsaved.has(key)) this.#unsaved.set(key, { peer, schedule, base });
    }
  }

  /**
   * Another server has changed what is not stored yet here. What it has heard from a machine that left counts; of one that is here, or
   * that was only judged there, what counts here is stored over what the other one has. @throws FilerError of the store
   */
  async #rebase(): Promise<void> {
    const { shared, isMember } = this.#parts;
    if (shared === undefined || this.#unsaved.size === 0) return;
    const unsaved = [...this.#unsaved.values()];
    const loaded = await shared.load([...new Set(unsaved.map(({ peer }) => peer))]);
    const stored = new Map(loaded.map((each) => [keyOf(each), each]));
    const isHeard = (each: Unsaved): boolean => isHeardSince(each.base, stored.get(keyOf(each)));
    const moved = new Set(
      unsaved.filter((each) => isHeard(each) && !shared.isHere(each.peer)).map(({ peer }) => peer),
    );
    for (const each of unsaved) {
      const { peer, schedule } = each;
      const now = stored.get(keyOf(each));
      const here = this.#expectations.get(peer, schedule);
      const isGone = moved.has(peer) && isMember(peer);
      if (isGone) this.#unsaved.delete(keyOf(each));
      else this.#unsaved.set(keyOf(each), { peer, schedule, base: now });
      if (isGone || now === undefined || here === undefined) continue;
      const { state, since, reportedAt } = now;
      // The later time: what is due too early would be missed by a machine that is well.
      const due = isHeard(each)
        ? { dueAt: Math.max(here.dueAt, now.dueAt), thirdAt: Math.max(here.thirdAt, now.thirdAt) }
        : {};
      this.#apply({ kept: [{ ...here, ...due, state, since, reportedAt }], dropped: [], events: [] });
    }
    await this.#reload([...moved]);
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
        await this.#rebase();
      }
    }
  }

  async #sweep(): Promise<void> {
    try {
      if (await this.#judges()) await this.#retried(() => this.#judge());
      else if (this.#unsaved.size > 0) await this.#retried(() => this.#tryCommit(NOTHING, this.now()));
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
      await this.#reload(undefined);
      this.#reloadedAt = steady;
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
      if (found.length > 0) await this.#reload([...new Set(found)]);
    }
    const change = this.#expectations.judged(moment);
    const isQuiet = change.kept.length === 0 && this.#unsaved.size === 0;
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
      await this.#reload([...new Set(heard.map((each) => each.peer))]).catch((error: unknown) => {
        if (!(error instanceof FilerError)) throw error;
      });
      for (const each of heard) {
        const change = each.find();
        this.#remember([...change.kept, ...change.dropped]);
        this.#apply(change);
      }
    });
    await this.#hearing;
    if (this.#unsaved.size === 0) return;
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
    const unsaved = [...this.#unsaved.values()];
    const still = unsaved.flatMap(({ peer, schedule }) => this.#expectations.get(peer, schedule) ?? []);
    const isShared = this.#parts.shared !== undefined;
    // What the store did not have is another server's when it has it now.
    const gone = isShared ? unsaved.filter(({ base }) => base !== undefined) : unsaved;
    const all: Change = {
      ...change,
      kept: [...still, ...change.kept],
      dropped: [...gone, ...change.dropped],
    };
    const effects = this.#effectsOf(all, moment, unsaved);
    try {
      await store.expectations.apply({ ...effects, clock: clock.save() });
    } catch (error) {
      if (error instanceof FilerError) onProblem(error);
      throw error;
    }
    onProblem(undefined);
    this.#committed(change);
    this.#unsaved.clear();
    this.#clockSavedAt = moment.steady;
  }

  #effectsOf({ kept, dropped, events }: Change, moment: Moment, waiting: readonly Unsaved[] = []): Effects {
    const { alarms, channels } = events.length === 0 ? NO_EFFECTS : this.#parts.alarmsOf(events, moment);
    if (this.#parts.shared === undefined) return { kept, dropped, alarms, channels };
    const touched = new Map([...waiting, ...kept].map((each) => [keyOf(each), each]));
    const bases = [...touched].map(([key, { peer, schedule }]): Unsaved => {
      const base = this.#expectations.get(peer, schedule);
      return this.#unsaved.get(key) ?? { peer, schedule, base };
    });
    return {
      kept,
      dropped,
      alarms,
      channels,
      unchanged: bases.flatMap(({ base }) => base ?? []),
      fresh: bases.filter(({ base }) => base === undefined),
    };
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

/** Whether a machine was heard by another server since a row was read: one that only judges changes no times. */
function isHeardSince(base: Expectation | undefined, now: Expectation | undefined): boolean {
  return base?.dueAt !== now?.dueAt || base?.thirdAt !== now?.thirdAt || base?.reportedAt !== now?.reportedAt;
}

function keyOf({ peer, schedule }: ScheduleKey): string {
  return `${peer} ${schedule}`;
}

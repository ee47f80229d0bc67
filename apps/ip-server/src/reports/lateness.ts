import { FilerError, type AnnouncedSchedule } from '@filer/protocol';
import type { ServerEvents } from '../api/contract/events.ts';
import type { Expectation } from '../store/expectation-store.ts';
import type { NewReport } from '../store/report-store.ts';
import type { Store } from '../store/store.ts';
import { Expectations, type Change, type LatenessEvent } from './expectations.ts';
import type { Moment, SteadyClock } from './steady-clock.ts';

/** Announcements that come within this time are committed together: a thousand machines may come back at once. */
const GATHER_MS = 20;

/** A server that did not look for so long slept, or stood still: nobody was heard meanwhile. */
const STOOD_STILL_MS = 15_000;

const NOTHING: Change = { kept: [], dropped: [], events: [] };

/** How often the clock is stored at the least: after a restart it goes on from there. */
const SAVE_CLOCK_MS = 60_000;

export interface LatenessParts {
  readonly store: Store;
  readonly clock: SteadyClock;
  /** How long machines have to come back after the server was away. */
  readonly settleMs: number;
  /** Whether a machine is a member; nothing is expected of others. */
  readonly isMember: (peer: string) => boolean;
  /** Stores alarms, in the transaction that is open. */
  readonly raise: (events: readonly LatenessEvent[], moment: Moment) => void;
  /** They are stored: somebody is to be told of them. */
  readonly onRaised: (events: readonly LatenessEvent[]) => void;
  readonly events: ServerEvents;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
}

/** What is expected of each machine, stored: it outlasts the server, and no alarm is raised twice or forgotten. */
export class Lateness {
  readonly #parts: LatenessParts;
  readonly #expectations: Expectations;
  /** Counts already and is not stored yet, by machine and schedule. */
  readonly #unsaved = new Map<string, Expectation>();
  #flushing: Promise<void> | undefined;
  #clockSavedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: LatenessParts) {
    const { store, clock, settleMs, isMember } = parts;
    this.#parts = parts;
    const { steady } = clock.now();
    const known = store.expectations.all();
    this.#expectations = new Expectations(
      known.filter(({ peer }) => isMember(peer)),
      steady + settleMs,
    );
    // Its machine was removed while the server was stopped.
    for (const each of known) if (!isMember(each.peer)) this.#unsaved.set(keyOf(each), each);
  }

  now(): Moment {
    return this.#parts.clock.now();
  }

  of(peer: string): Expectation[] {
    return this.#expectations.of(peer);
  }

  /** Resolves when it is on the disk. @throws FilerError of the store */
  announce(peer: string, schedules: readonly AnnouncedSchedule[]): Promise<void> {
    return this.#soon(this.#expectations.announced(peer, schedules, this.now()));
  }

  /** The machine has said goodbye. */
  goodbye(peer: string): void {
    // A store that fails says so itself, and is tried again.
    void this.#soon(this.#expectations.stopped(peer)).catch(() => undefined);
  }

  /** The machine is no member any more. */
  forget(peer: string): void {
    void this.#soon(this.#expectations.forgotten(peer)).catch(() => undefined);
  }

  /**
   * Reports are being stored: writes what that means into the same transaction.
   *
   * @returns what to do once it is committed
   */
  take(reports: readonly NewReport[]): () => void {
    const moment = this.now();
    const scheduled = reports.flatMap(({ peer, report: { kind, schedule }, due }) =>
      kind === 'schedule' ? [{ peer, schedule, due }] : [],
    );
    const change = this.#expectations.reported(scheduled, moment);
    this.#write(change, moment);
    return () => this.#committed(change);
  }

  /** Looks who has become late or missing. */
  sweep(): void {
    const moment = this.now();
    if (this.#parts.clock.look() > STOOD_STILL_MS)
      this.#expectations.hold(moment.steady + this.#parts.settleMs);
    const change = this.#expectations.judged(moment);
    const isQuiet = change.kept.length === 0 && this.#unsaved.size === 0;
    if (isQuiet && moment.steady - this.#clockSavedAt < SAVE_CLOCK_MS) return;
    try {
      this.#commit(change, moment);
    } catch (error) {
      // Found again by the next look.
      if (!(error instanceof FilerError)) throw error;
    }
  }

  /** Stores what is not stored yet. */
  async close(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    try {
      this.#commit(NOTHING, this.now());
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    }
  }

  /** Counts at once; a crash before it is stored loses what the machines tell again when they come back. */
  #soon(change: Change): Promise<void> {
    this.#apply(change);
    for (const each of [...change.kept, ...change.dropped]) this.#unsaved.set(keyOf(each), each);
    if (this.#unsaved.size === 0) return Promise.resolve();
    this.#flushing ??= new Promise((resolve) => setTimeout(resolve, GATHER_MS)).then(() => {
      this.#flushing = undefined;
      this.#commit(NOTHING, this.now());
    });
    return this.#flushing;
  }

  /** @throws FilerError of the store; nothing has changed then */
  #commit(change: Change, moment: Moment): void {
    const { store, clock, onProblem } = this.#parts;
    try {
      store.transaction(() => {
        this.#writeUnsaved();
        this.#write(change, moment);
        store.expectations.saveClock(clock.save());
      });
    } catch (error) {
      if (error instanceof FilerError) onProblem(error);
      throw error;
    }
    onProblem(undefined);
    this.#committed(change);
    this.#unsaved.clear();
    this.#clockSavedAt = moment.steady;
  }

  /** Within the transaction that is open. */
  #write({ kept, dropped, events }: Change, moment: Moment): void {
    const { store, raise } = this.#parts;
    for (const each of dropped) store.expectations.drop(each);
    for (const each of kept) store.expectations.keep(each);
    if (events.length > 0) raise(events, moment);
  }

  #writeUnsaved(): void {
    const { expectations } = this.#parts.store;
    for (const each of this.#unsaved.values()) {
      const now = this.#expectations.get(each.peer, each.schedule);
      if (now === undefined) expectations.drop(each);
      else expectations.keep(now);
    }
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

function keyOf({ peer, schedule }: Expectation): string {
  return `${peer} ${schedule}`;
}

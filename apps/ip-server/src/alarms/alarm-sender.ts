import { Semaphore, FilerError } from '@filer/protocol';
import { type Logger } from '@filer/program';
import type { ServerEvents } from '../api/contract/events.ts';
import type { AlarmChannel, AlarmEvent, AlarmStore, WaitingAlarm } from '../store/alarm-store.ts';
import type { Moment } from '../reports/steady-clock.ts';

/** What is told; `test` is told on demand, and is not stored. */
export interface ToldAlarm extends Pick<WaitingAlarm, 'id' | 'payload'> {
  readonly event: AlarmEvent | 'test';
}

/** One way to tell somebody of an alarm. */
export interface AlarmRoute {
  readonly channel: AlarmChannel;
  /** How many are told at once. */
  readonly atOnce: number;
  /** For how long a failure is tried again; 0: never. */
  readonly retryForMs: number;
  /**
   * Tells of one alarm. What was told before the server died may be told again, with the same id.
   *
   * @param signal ends it; then it is told again after the next start
   * @returns why it failed, in words for people; undefined when it did not
   */
  deliver(alarm: ToldAlarm, signal: AbortSignal): Promise<string | undefined>;
}

export interface AlarmSenderParts {
  readonly route: AlarmRoute;
  readonly alarms: AlarmStore;
  readonly now: () => Moment;
  readonly log: Logger;
  readonly events: ServerEvents;
  /** Whether this is the server that tells of alarms. @default it is */
  readonly isTeller?: (() => boolean) | undefined;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
  /** Before an alarm is tried again for the first time. @default 5 s */
  readonly firstPauseMs?: number | undefined;
}

/** Pauses before an alarm is tried again: doubled each time. All alarms wait after a failure, but not as long. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 3_600_000;
const LONGEST_PAUSE_OF_ALL_MS = 60_000;

/** A server tries for at least this long: after its start it does not know how long it was away. */
const LEAST_TRIED_MS = 3_600_000;

/** So many are read at once of those that can be told. When a whole network was lost there are many, and reading looks at all. */
const READ_AT_ONCE = 1_000;

/** Between half of a pause and all of it: two servers that share a receiver do not call as one. */
const LEAST_OF_PAUSE = 0.5;

/**
 * Tells somebody of the alarms that wait in the database: those of one machine and schedule in order, several others at
 * once. What fails is tried again with growing pauses.
 */
export class AlarmSender {
  readonly #parts: AlarmSenderParts;
  readonly #firstPauseMs: number;
  /** By the steady clock. */
  readonly #startedAt: number;
  readonly #closing = new AbortController();
  /** As last read, without those that were begun since. */
  #read: WaitingAlarm[] = [];
  /** Numbers of those that are being told. */
  readonly #running = new Map<number, Promise<void>>();
  /** When an alarm that failed is tried again, by the steady clock. */
  readonly #retryAt = new Map<number, number>();
  /** What came of alarms that the store could not note: it is noted before anything else. */
  readonly #notes = new Map<number, () => Promise<void>>();
  /** Looks at what waits, and notes of what came of it, one after the other: what is told is not read as waiting again. */
  readonly #steps = new Semaphore(1);
  #pausedUntil = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #problem: string | undefined;

  constructor(parts: AlarmSenderParts) {
    this.#parts = parts;
    this.#startedAt = parts.now().steady;
    this.#firstPauseMs = parts.firstPauseMs ?? FIRST_PAUSE_MS;
  }

  get channel(): AlarmChannel {
    return this.#parts.route.channel;
  }

  /** Why the last try failed; undefined when it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Alarms may be waiting. */
  wake(): void {
    void this.#steps.take(() => this.#look());
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    if (this.#parts.isTeller?.() === false) {
      // Another server may tell of them meanwhile.
      this.#read = [];
      return;
    }
    let isStored = false;
    try {
      isStored = await this.#stored(() => this.#tellWaiting());
    } finally {
      // Whatever failed, alarms that wait are looked at again.
      if (!isStored && !this.#closing.signal.aborted)
        this.#timer = setTimeout(() => this.wake(), this.#firstPauseMs);
    }
  }

  async #tellWaiting(): Promise<void> {
    const { route, alarms, now } = this.#parts;
    for (const [number, note] of this.#notes) {
      await note();
      this.#notes.delete(number);
    }
    const { steady } = now();
    // Until then nothing can be told.
    if (this.#pausedUntil > steady) {
      this.#timer = setTimeout(() => this.wake(), this.#pausedUntil - steady);
      return;
    }
    // After a failure one alarm goes first, to see whether the others can follow.
    const free = (this.#failures === 0 ? route.atOnce : 1) - this.#running.size;
    if (free <= 0) return;
    const isReady = ({ number }: WaitingAlarm): boolean => (this.#retryAt.get(number) ?? 0) <= steady;
    if (!this.#read.some(isReady)) {
      const limit = READ_AT_ONCE + this.#running.size + this.#retryAt.size;
      const read = await alarms.next(route.channel, limit);
      if (this.#closing.signal.aborted) return;
      this.#read = read.filter(({ number }) => !this.#running.has(number));
    }
    const ready = this.#read.filter(isReady).slice(0, free);
    this.#read = this.#read.filter((each) => !ready.includes(each));
    for (const alarm of ready) this.#start(alarm);
    const next = Math.min(...this.#read.flatMap(({ number }) => this.#retryAt.get(number) ?? []));
    if (ready.length === 0 && Number.isFinite(next)) {
      this.#timer = setTimeout(() => this.wake(), next - steady);
    }
  }

  /** Tells of one alarm that is not stored, once, after those that are being told now. @returns why it failed */
  async tellOnce(alarm: ToldAlarm, signal: AbortSignal): Promise<string | undefined> {
    await Promise.all(this.#running.values());
    signal.throwIfAborted();
    return await this.#parts.route.deliver(alarm, AbortSignal.any([this.#closing.signal, signal]));
  }

  /** Ends what runs; it is told again after the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await Promise.all(this.#running.values());
    await this.#steps.take(() => Promise.resolve());
  }

  #start(alarm: WaitingAlarm): void {
    const running = this.#deliver(alarm).finally(() => {
      this.#running.delete(alarm.number);
      this.wake();
    });
    this.#running.set(alarm.number, running);
  }

  async #deliver(alarm: WaitingAlarm): Promise<void> {
    const { route, alarms, now, events } = this.#parts;
    const { number } = alarm;
    const problem = await route.deliver(alarm, this.#closing.signal);
    if (this.#closing.signal.aborted && problem !== undefined) return;
    const { steady, time } = now();
    const leastMs = Math.min(LEAST_TRIED_MS, route.retryForMs);
    const since = Math.max(alarm.steady, this.#startedAt - route.retryForMs + leastMs);
    const isGivenUp = steady - since >= route.retryForMs;
    const note = async (): Promise<void> => {
      if (problem === undefined || isGivenUp) await alarms.done(alarm, route.channel, time, problem);
      else await alarms.tried(alarm, route.channel, problem);
      events.publish('alarm', { peer: alarm.peer, schedule: alarm.schedule });
    };
    await this.#steps.take(async () => {
      if (!(await this.#stored(note))) this.#notes.set(number, note);
    });
    this.#say(alarm, problem, isGivenUp);
    this.#problem = problem;
    this.#retryAt.delete(number);
    if (problem === undefined) this.#failures = 0;
    else if (!isGivenUp) {
      this.#failures++;
      this.#pausedUntil = steady + Math.min(this.#pauseMs(this.#failures), LONGEST_PAUSE_OF_ALL_MS);
      this.#retryAt.set(number, steady + this.#pauseMs(alarm.tries + 1));
    }
  }

  /** The same failure again is not news. */
  #say({ id }: WaitingAlarm, problem: string | undefined, isGivenUp: boolean): void {
    const { route, log } = this.#parts;
    const facts = { channel: route.channel, alarm: id };
    if (problem === undefined) {
      if (this.#problem !== undefined) log.info('alarms are delivered again', { channel: route.channel });
      return;
    }
    if (this.#problem !== problem) log.warn('an alarm was not delivered', { ...facts, why: problem });
    if (isGivenUp && route.retryForMs > 0) log.error('an alarm was given up', { ...facts, why: problem });
  }

  /** @returns whether the store did it */
  async #stored(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.#parts.onProblem(undefined);
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.onProblem(error);
      return false;
    }
  }

  #pauseMs(failures: number): number {
    const doubled = Math.min(this.#firstPauseMs * 2 ** Math.min(failures - 1, 20), LONGEST_PAUSE_MS);
    return doubled * (LEAST_OF_PAUSE + Math.random() * (1 - LEAST_OF_PAUSE));
  }
}

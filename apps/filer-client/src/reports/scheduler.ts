import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import {
  FilerError,
  messageOf,
  systemCode,
  type Attachment,
  type ErrorCode,
  type ReportBody,
} from '@filer/protocol';
import type { Environment, Logger } from '@filer/program';
import type { Member } from '../network/member.ts';
import type { Moment } from './due.ts';
import { endLeftBehind } from './left-behind.ts';
import { unknownSchedule, type ScheduleTable } from './schedule-table.ts';
import type { ScheduleEntry } from './schedule-takeover.ts';
import { makeReport } from './scheduled-report.ts';
import { spoolScheduled } from './spool-scheduled.ts';

/** Commands that run at once; others that are due wait for their turn. */
const MAX_RUNS = 4;

/** The clocks and the file are looked at this often at least, in ms: after a sleep a timer of Node's is late by it. */
const MAX_WAIT_MS = 15_000;

/** Why the database may take something later that it does not take now. */
const NOT_NOW: ReadonlySet<ErrorCode> = new Set(['no-space', 'timed-out', 'home-not-writable']);

export interface SchedulerOptions {
  readonly member: Pick<Member, 'name' | 'spool' | 'database'>;
  readonly schedules: ScheduleTable;
  /** What a command may see of it. */
  readonly environment: Environment;
  readonly clocks: () => Moment;
  readonly log: Logger;
  /** A report is in the spool. */
  readonly onSpooled: () => void;
  /** There are other schedules than before. */
  readonly onChanged: () => void;
}

/** What came of a run. */
export interface RunDone {
  readonly seq: number;
  readonly body: ReportBody;
  readonly attachments: readonly Attachment[];
  /** Why the command did not do its work. */
  readonly failure: string | undefined;
}

/** Makes the reports of this machine's schedules when they are due, and when somebody asks. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #closing = new AbortController();
  readonly #runs = new Map<string, Promise<void>>();
  /** Who waits for a run that begins after they asked. */
  #asked: Asked[] = [];
  #timer: NodeJS.Timeout | undefined;
  #version: number | undefined;
  #started = false;
  #cleaning: Promise<void> | undefined;
  readonly #looks = new EventEmitter();

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Begins to look, and continues. What a killed daemon left running is ended first. */
  start(): void {
    this.#cleaning ??= this.#endLeftBehind().then(() => {
      this.#started = true;
      this.wake();
    });
  }

  /** Makes a report now; after the run that continues, if one does. @throws FilerError `path-missing`, the reason of `signal` */
  async runNow(name: string, signal: AbortSignal): Promise<RunDone> {
    AbortSignal.any([this.#closing.signal, signal]).throwIfAborted();
    const done = Promise.withResolvers<RunDone>();
    const asked: Asked = { name, signal, done };
    this.#asked.push(asked);
    const onAbort = (): void => {
      if (!this.#asked.includes(asked)) return; // it runs: the run is told
      this.#asked = this.#asked.filter((each) => each !== asked);
      done.reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.wake();
    try {
      return await done.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends what runs: it is not reported, and made up after the next start. */
  async close(): Promise<void> {
    this.#closing.abort(
      new FilerError('interrupted', 'the daemon stops: the run is made up when it starts again'),
    );
    clearTimeout(this.#timer);
    for (const { done } of this.#asked.splice(0)) done.reject(this.#closing.signal.reason);
    await this.#cleaning;
    await Promise.all(this.#runs.values());
  }

  /** Looks at the file and the clocks, begins what is due, and sets the next look. Never throws for what it finds. */
  wake(): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#looks.emit('look');
    let waitMs = MAX_WAIT_MS;
    try {
      this.#refresh();
      this.#beginAsked();
      if (this.#started) waitMs = this.#beginDue();
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.error('schedules could not be checked', { error });
    } finally {
      // Whatever failed, schedules are looked at again.
      this.#timer = setTimeout(() => this.wake(), Math.ceil(waitMs));
    }
  }

  get #table(): ScheduleTable {
    return this.#options.schedules;
  }

  /** Takes over what the file says now. */
  #refresh(): void {
    const { log, onChanged } = this.#options;
    const table = this.#table;
    table.refresh();
    if (table.version === this.#version) return;
    this.#version = table.version;
    for (const { message } of table.mistakes) log.error('a schedule cannot be used', { reason: message });
    onChanged();
  }

  #beginAsked(): void {
    const table = this.#table;
    for (const asked of [...this.#asked]) {
      if (this.#runs.size >= MAX_RUNS) return;
      if (this.#runs.has(asked.name)) continue;
      const entry = table.get(asked.name);
      this.#asked = this.#asked.filter((each) => each !== asked);
      if (entry?.schedule === undefined) asked.done.reject(this.#cannotRun(asked.name, entry));
      else this.#begin(entry, asked);
    }
  }

  #cannotRun(name: string, entry: ScheduleEntry | undefined): FilerError {
    if (entry === undefined) return unknownSchedule(name);
    const mistake = this.#table.mistakes.find((each) => each.name === name || each.name === undefined);
    return new FilerError(
      'configuration-invalid',
      mistake?.message ?? `${name} is not in ${this.#table.file.path} any more: put it back there to run it`,
    );
  }

  /** @returns how long nothing more is due, in ms */
  #beginDue(): number {
    const { clocks } = this.#options;
    const table = this.#table;
    const now = clocks();
    let waitMs = MAX_WAIT_MS;
    const due: { entry: ScheduleEntry; inMs: number }[] = [];
    for (const entry of table.entries) {
      const inMs = table.dueInMs(entry, now);
      // One that was removed and added again while it ran still has a run.
      if (inMs === undefined || this.#runs.has(entry.name)) continue;
      if (inMs > 0) waitMs = Math.min(waitMs, inMs);
      else due.push({ entry, inMs });
    }
    due.sort((a, b) => a.inMs - b.inMs);
    for (const { entry } of due.slice(0, Math.max(0, MAX_RUNS - this.#runs.size))) {
      this.#begin(entry, undefined);
    }
    return waitMs;
  }

  #begin(entry: ScheduleEntry, asked: Asked | undefined): void {
    const { clocks } = this.#options;
    const table = this.#table;
    const run = randomBytes(12).toString('hex');
    if (asked === undefined) table.take(entry, clocks());
    entry.isRunning = true;
    const running = this.#run(entry, run, asked).finally(() => {
      this.#runs.delete(entry.name);
      const current = table.get(entry.name);
      if (current !== undefined) current.isRunning = false;
      this.wake();
    });
    this.#runs.set(entry.name, running);
  }

  /** Never rejects: the caller that asked is told, else the log. */
  async #run(entry: ScheduleEntry, run: string, asked: Asked | undefined): Promise<void> {
    const { member, environment, log, onSpooled } = this.#options;
    const table = this.#table;
    const { name, schedule } = entry;
    const closing = this.#closing.signal;
    const signal = AbortSignal.any(asked === undefined ? [closing] : [closing, asked.signal]);
    if (schedule === undefined) throw new Error(`${name} cannot run`);
    try {
      await this.#kept(name, () => table.store.began(name, run), signal, asked);
      const made = await makeReport(schedule, { environment, machine: member.name, run, signal });
      const done = await this.#kept(name, () => spoolScheduled(made, member, table, signal), signal, asked);
      const facts = { schedule: name, seq: done.seq };
      if (made.failure === undefined) log.info('a scheduled report was made', facts);
      else log.warn('a scheduled report of a failure was made', { ...facts, reason: made.failure });
      asked?.done.resolve({ ...done, failure: made.failure });
      onSpooled();
    } catch (error) {
      asked?.done.reject(error);
      if (!isFailure(error) && !signal.aborted) throw error;
      this.#noReport(name, signal, error);
    }
  }

  /**
   * Tries again with each look while the database cannot be written: a day's report must not be lost for a minute without
   * room. Who asks for a run hears of it at once.
   */
  async #kept<T>(
    name: string,
    work: () => T | Promise<T>,
    signal: AbortSignal,
    asked: Asked | undefined,
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!passes(error) || asked !== undefined || signal.aborted) throw error;
        if (tries === 0)
          this.#options.log.error('a scheduled report waits for the database', { schedule: name, error });
        const entry = this.#table.get(name);
        if (entry !== undefined) entry.isRunning = true;
        await once(this.#looks, 'look', { signal });
      }
    }
  }

  #noReport(name: string, signal: AbortSignal, error: unknown): void {
    const { log } = this.#options;
    try {
      if (signal.aborted) {
        log.warn('a run of a schedule was ended: there is no report of it', { schedule: name });
        this.#table.store.ended(name);
      } else {
        log.error('a scheduled report could not be kept', { schedule: name, error });
        this.#table.finish(name, `no report: ${messageOf(error)}`);
      }
    } catch (failure) {
      if (!(failure instanceof FilerError)) throw failure;
      log.error('the state of a schedule was not stored', { schedule: name, error: failure });
    }
  }

  /** Never rejects: what cannot be ended is only logged. */
  async #endLeftBehind(): Promise<void> {
    const { log } = this.#options;
    try {
      const { store } = this.#table;
      const left = store.all().flatMap(({ name, run }) => (run === undefined ? [] : [{ name, run }]));
      if (left.length === 0) return;
      const ended = await endLeftBehind(
        left.map(({ run }) => run),
        this.#closing.signal,
      );
      for (const { name } of left) store.ended(name);
      if (ended > 0)
        log.warn('commands of schedules that a killed daemon left running were ended', {
          schedules: left.map(({ name }) => name),
          processes: ended,
        });
    } catch (error) {
      log.error('processes of a killed daemon could not be ended', { error });
    }
  }
}

/** Whether it is of one schedule, or of the system. What is a bug of ours ends the process. */
function isFailure(error: unknown): boolean {
  return error instanceof FilerError || systemCode(error) !== undefined;
}

/** Whether what the disk does not take now may be taken later; of what the system says nothing is forever. */
function passes(error: unknown): boolean {
  return error instanceof FilerError ? NOT_NOW.has(error.code) : systemCode(error) !== undefined;
}

interface Asked {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly done: PromiseWithResolvers<RunDone>;
}

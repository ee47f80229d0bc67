import { FilerError, type AnnouncedSchedule, type Due } from '@filer/protocol';
import { readClocks, type Database } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';
import type { Member } from '../network/member.ts';
import { ScheduleStore } from '../store/schedule-store.ts';
import { SchedulesFile } from '../store/schedules-file.ts';
import { dueInMs, duesOf, keep, notBefore, settled, taken, type Moment } from './due.ts';
import { fieldsOfSchedule, parseSchedule, type Schedule, type ScheduleFields } from './schedule.ts';
import { ScheduleTakeover, type ScheduleEntry } from './schedule-takeover.ts';
import { parseSchedules, withoutSchedule, withSchedule, type Mistake } from './schedules-text.ts';

export interface ScheduleTableOptions {
  readonly database: Database;
  readonly file: string;
  /** Whose place in the jitter it is. */
  readonly peerId: string;
  readonly clocks: () => Moment;
  /** @default no one is told */
  readonly events?: ClientEvents;
}

/** The schedules of this machine: what the file says, and what the database knows of each. */
export class ScheduleTable {
  readonly file: SchedulesFile;
  readonly store: ScheduleStore;
  readonly #options: ScheduleTableOptions;
  readonly #takeover: ScheduleTakeover;
  #entries: ReadonlyMap<string, ScheduleEntry> = new Map();
  #mistakes: readonly Mistake[] = [];
  #stamp: string | undefined;
  #version = 0;

  constructor(options: ScheduleTableOptions) {
    this.#options = options;
    this.file = new SchedulesFile(options.file);
    this.store = new ScheduleStore(options.database);
    this.#takeover = new ScheduleTakeover(this.store, options.peerId);
  }

  /** Those of a home. */
  static of({ database, home, id, events }: Member): ScheduleTable {
    return new ScheduleTable({ database, file: home.schedulesFile, peerId: id, clocks: readClocks, events });
  }

  /** Another one whenever something else was read from the file. */
  get version(): number {
    return this.#version;
  }

  get mistakes(): readonly Mistake[] {
    this.#ensureRead();
    return this.#mistakes;
  }

  /** By name. */
  get entries(): ScheduleEntry[] {
    this.#ensureRead();
    return [...this.#entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): ScheduleEntry | undefined {
    this.#ensureRead();
    return this.#entries.get(name);
  }

  /**
   * Reads the file if it has changed, or has not had a schedule for long enough. What the database does not take now is
   * taken over with the next call.
   */
  refresh(): void {
    const stamp = this.file.stamp();
    const { steadyMs } = this.#options.clocks();
    const isOver = ({ leavesAtMs = Infinity }: ScheduleEntry): boolean => leavesAtMs <= steadyMs;
    if (stamp === this.#stamp && ![...this.#entries.values()].some(isOver)) return;
    const { text, schedules, mistakes } = this.#read();
    const entries = this.#options.database.transaction(() => {
      const rows = this.store.all();
      if (text?.trim() === '' && rows.length > 0)
        mistakes.push({ name: undefined, message: this.#isEmpty() });
      return this.#takeover.takeOver(schedules, mistakes, rows, this.#entries, this.#options.clocks());
    });
    this.#stamp = stamp;
    this.#mistakes = mistakes;
    this.#version++;
    this.#entries = entries;
    this.#changed();
  }

  /**
   * Writes one more schedule into the file.
   *
   * @param replace one of its name may be there
   * @throws FilerError `usage`, `refused` for a name that is taken, and what writing throws
   */
  add(fields: ScheduleFields, replace: boolean): ScheduleEntry {
    const schedule = parseSchedule(fields);
    const { name } = schedule;
    let wasThere = false;
    this.file.edit(this.#options.database, (text) => {
      const there = parseSchedules(text, this.file.path);
      const isThere = [...there.schedules, ...there.mistakes].some((each) => each.name === name);
      if (isThere && !replace)
        throw new FilerError(
          'refused',
          `there is a schedule ${name} already: replace it with --replace, or run \`filer-client report schedule remove ${name}\` first`,
        );
      wasThere = isThere;
      const added = withSchedule(
        isThere ? this.#without(text, name) : text,
        fieldsOfSchedule(schedule, fields),
      );
      const after = parseSchedules(added, this.file.path);
      if (after.schedules.some((each) => each.name === name)) return added;
      const why = after.mistakes.find((each) => each.name === name) ?? after.mistakes[0];
      throw new FilerError('configuration-invalid', why?.message ?? `${this.file.path} does not take it`);
    });
    if (!wasThere) this.#forget(name);
    this.refresh();
    const entry = this.get(name);
    if (entry === undefined) throw new Error(`${name} was written and is not there`);
    return entry;
  }

  /** @throws FilerError `path-missing`, and what writing throws */
  remove(name: string): void {
    this.refresh();
    const isKnown = this.#entries.has(name);
    this.file.edit(this.#options.database, (text) => {
      const { schedules, mistakes } = parseSchedules(text, this.file.path);
      if ([...schedules, ...mistakes].some((each) => each.name === name)) return this.#without(text, name);
      if (isKnown) return undefined; // the file does not have it any more
      throw unknownSchedule(name);
    });
    this.#forget(name);
    this.refresh();
  }

  /** A run that was due begins: all that was due until now is made up by it. Kept on disk only by its end. */
  take(entry: ScheduleEntry, now: Moment): void {
    entry.standing = taken(entry.rule, settled(entry.rule, entry.standing, now), now);
    this.#changed();
  }

  /**
   * A run came to its end. To be called in the transaction that spools its report.
   *
   * @param failure why its command did not do its work, or why there is no report
   */
  finish(name: string, failure: string | undefined): void {
    const now = this.#options.clocks();
    const entry = this.get(name);
    if (entry === undefined) return; // removed meanwhile
    // The report that says when the next one is due may be on its way as soon as it is in the spool.
    entry.isRunning = false;
    entry.last = { at: now.wallMs, failure };
    this.store.finished(name, keep(entry.standing, now), entry.last);
    this.#changed();
  }

  #changed(): void {
    this.#options.events?.publish('schedule', {});
  }

  /** How long until a schedule is due; undefined while it runs, or cannot. */
  dueInMs(entry: ScheduleEntry, now: Moment): number | undefined {
    entry.standing = settled(entry.rule, entry.standing, now);
    return entry.isRunning || entry.schedule === undefined
      ? undefined
      : dueInMs(entry.rule, entry.standing, now);
  }

  /** What a server is told about one, now. */
  dueOf(name: string): Due | undefined {
    const entry = this.get(name);
    return entry === undefined ? undefined : this.#due(entry, this.#options.clocks());
  }

  /** What a server is told about all, now. */
  announce(): AnnouncedSchedule[] {
    const now = this.#options.clocks();
    return this.entries.map((entry) => {
      const { name, announced, leavesAtMs } = entry;
      const { graceMs, always } = announced;
      // A schedule that was taken out of the file raises no alarm, and one that returns is still known.
      const due = notBefore(this.#due(entry, now), (leavesAtMs ?? now.steadyMs) - now.steadyMs);
      return { name, ...due, ...(graceMs === undefined ? {} : { graceMs }), always };
    });
  }

  /** Removed by a command: that is believed at once. */
  #forget(name: string): void {
    this.store.remove(name);
    this.#entries = new Map([...this.#entries].filter(([each]) => each !== name));
    this.#stamp = undefined;
  }

  #ensureRead(): void {
    if (this.#stamp === undefined) this.refresh();
  }

  #due(entry: ScheduleEntry, now: Moment): Due {
    return duesOf(entry.rule, settled(entry.rule, entry.standing, now), now, entry.isRunning);
  }

  #without(text: string, name: string): string {
    const left = withoutSchedule(text, name);
    if (left !== undefined) return left;
    throw new FilerError(
      'refused',
      `${this.file.path} is written in a way that ${name} cannot be removed without changing the others: edit it by hand`,
    );
  }

  /** @returns no text where the file cannot be read */
  #read(): { text: string | undefined; schedules: readonly Schedule[]; mistakes: Mistake[] } {
    try {
      const text = this.file.read();
      const { schedules, mistakes } = parseSchedules(text, this.file.path);
      return { text, schedules, mistakes: [...mistakes] };
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      return { text: undefined, schedules: [], mistakes: [{ name: undefined, message: error.message }] };
    }
  }

  #isEmpty(): string {
    return `${this.file.path} is empty or missing: its schedules do not run, and the server still expects their reports; restore the file, or write a line such as "# none" into it to remove them`;
  }
}

export function unknownSchedule(name: string): FilerError {
  return new FilerError(
    'path-missing',
    `there is no schedule ${JSON.stringify(name)}: \`filer-client report schedule list\` shows them`,
  );
}

import type { DatabaseSync } from 'node:sqlite';
import { FilerError, type AnnouncedSchedule, type Due } from '@filer/protocol';
import { parseTimetable, type Timetable, type TimetableText } from '@filer/program';
import { transaction } from '../store/database.ts';
import { ScheduleStore, type LastRun, type ScheduleRow } from '../store/schedule-store.ts';
import { SchedulesFile } from '../store/schedules-file.ts';
import {
  begin,
  dueInMs,
  duesOf,
  keep,
  resume,
  ruleFor,
  settled,
  taken,
  type Moment,
  type Rule,
  type Standing,
} from './due.ts';
import { fieldsOfSchedule, parseSchedule, type Schedule, type ScheduleFields } from './schedule.ts';
import { parseSchedules, withoutSchedule, withSchedule, type Mistake } from './schedules-text.ts';

/** A schedule with what is known of it. */
export interface ScheduleEntry {
  readonly name: string;
  /** undefined while the file has a mistake there: it does not run, and its server goes on expecting it. */
  readonly schedule: Schedule | undefined;
  readonly rule: Rule;
  readonly announced: Announced;
  /** After the run that goes on, if one does. */
  standing: Standing;
  isRunning: boolean;
  last: LastRun | undefined;
}

/** What a server needs to know of a schedule, and what its standing depends on. */
interface Announced {
  readonly timetable: TimetableText;
  readonly jitterMs: number | undefined;
  readonly graceMs: number | undefined;
  readonly always: boolean;
}

/** Where a schedule's grace is not given: this, or this share of the distance if that is more, and the command's time. */
const MIN_GRACE_MS = 60_000;
const GRACE_SHARE = 0.1;

export interface ScheduleTableOptions {
  readonly database: DatabaseSync;
  readonly file: string;
  /** Whose place in the jitter it is. */
  readonly peerId: string;
  readonly clocks: () => Moment;
}

/** The schedules of this machine: what the file says, and what the database knows of each. */
export class ScheduleTable {
  readonly file: SchedulesFile;
  readonly store: ScheduleStore;
  readonly #options: ScheduleTableOptions;
  #entries: ReadonlyMap<string, ScheduleEntry> = new Map();
  #mistakes: readonly Mistake[] = [];
  #stamp: string | undefined;
  #version = 0;

  constructor(options: ScheduleTableOptions) {
    this.#options = options;
    this.file = new SchedulesFile(options.file);
    this.store = new ScheduleStore(options.database);
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

  /** Reads the file if it has changed. What the database does not take now is taken over with the next call. */
  refresh(): void {
    const stamp = this.file.stamp();
    if (stamp === this.#stamp) return;
    const { schedules, mistakes } = this.#read();
    const entries = transaction(this.#options.database, () => this.#takenOver(schedules, mistakes));
    this.#stamp = stamp;
    this.#mistakes = mistakes;
    this.#version++;
    this.#entries = entries;
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
    this.file.edit(this.#options.database, (text) => {
      const there = parseSchedules(text, this.file.path);
      const isThere = [...there.schedules, ...there.mistakes].some((each) => each.name === name);
      if (isThere && !replace)
        throw new FilerError(
          'refused',
          `there is a schedule ${name} already: give --replace to put this one in its place, or \`filer-client report schedule remove ${name}\` first`,
        );
      const added = withSchedule(
        isThere ? this.#without(text, name) : text,
        fieldsOfSchedule(schedule, fields),
      );
      const after = parseSchedules(added, this.file.path);
      if (after.schedules.some((each) => each.name === name)) return added;
      const why = after.mistakes.find((each) => each.name === name) ?? after.mistakes[0];
      throw new FilerError('configuration-invalid', why?.message ?? `${this.file.path} does not take it`);
    });
    this.refresh();
    const entry = this.get(name);
    if (entry === undefined) throw new Error(`${name} was written and is not there`);
    return entry;
  }

  /** @throws FilerError `path-missing`, and what writing throws */
  remove(name: string): void {
    this.file.edit(this.#options.database, (text) => {
      const { schedules, mistakes } = parseSchedules(text, this.file.path);
      if ([...schedules, ...mistakes].some((each) => each.name === name)) return this.#without(text, name);
      throw unknownSchedule(name);
    });
    this.refresh();
  }

  /** A run that was due begins: all that was due until now is made up by it. Kept on disk only by its end. */
  take(entry: ScheduleEntry, now: Moment): void {
    entry.standing = taken(entry.rule, settled(entry.rule, entry.standing, now), now);
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
  }

  /** How long until a schedule is due; undefined while it runs, or cannot. */
  dueInMs(entry: ScheduleEntry, now: Moment): number | undefined {
    entry.standing = settled(entry.rule, entry.standing, now);
    return entry.isRunning || entry.schedule === undefined
      ? undefined
      : dueInMs(entry.rule, entry.standing, now);
  }

  /** What a server is told of one, now. */
  dueOf(name: string): Due | undefined {
    const entry = this.get(name);
    return entry === undefined ? undefined : this.#due(entry, this.#options.clocks());
  }

  /** What a server is told of all, now. */
  announce(): AnnouncedSchedule[] {
    const now = this.#options.clocks();
    return this.entries.map((entry) => {
      const { name, announced } = entry;
      const { graceMs, always } = announced;
      return { name, ...this.#due(entry, now), ...(graceMs === undefined ? {} : { graceMs }), always };
    });
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
      `${this.file.path} is written in a way that ${name} cannot be taken out of it without touching the others: edit it by hand`,
    );
  }

  #read(): ReturnType<typeof parseSchedules> {
    try {
      return parseSchedules(this.file.read(), this.file.path);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      return { schedules: [], mistakes: [{ name: undefined, message: error.message }] };
    }
  }

  #takenOver(
    schedules: readonly Schedule[],
    mistakes: readonly Mistake[],
  ): ReadonlyMap<string, ScheduleEntry> {
    const now = this.#options.clocks();
    const rows = new Map(this.store.all().map((row) => [row.name, row]));
    const before = this.#entries;
    const entries = new Map<string, ScheduleEntry>();
    for (const schedule of schedules) {
      const entry = this.#entryOf(schedule, before.get(schedule.name), rows.get(schedule.name), now);
      entries.set(entry.name, entry);
    }
    const [isUnclear, unclear] = [
      mistakes.some(({ name }) => name === undefined),
      new Set(mistakes.map(({ name }) => name)),
    ];
    for (const row of rows.values()) {
      if (entries.has(row.name)) continue;
      const held =
        isUnclear || unclear.has(row.name) ? this.#held(row, before.get(row.name), now) : undefined;
      if (held === undefined) this.store.remove(row.name);
      else entries.set(held.name, held);
    }
    return entries;
  }

  #entryOf(
    schedule: Schedule,
    before: ScheduleEntry | undefined,
    row: ScheduleRow | undefined,
    now: Moment,
  ): ScheduleEntry {
    const { name, timetable, jitterMs } = schedule;
    const rule = ruleFor(timetable, jitterMs, this.#options.peerId, name);
    const announced = announcedOf(schedule);
    const definition = JSON.stringify(announced);
    const known = row === undefined ? undefined : readDefinition(row.definition)?.announced;
    const isSame = known !== undefined && timing(known) === timing(announced);
    const standing =
      row === undefined || !isSame ? begin(rule, now) : (before?.standing ?? resume(rule, row, now));
    const isRunning = before?.isRunning ?? false;
    // While it runs, the database keeps the standing before the run: what a kill interrupts is made up.
    if (!isSame) this.store.put(name, definition, keep(standing, now));
    else if (row !== undefined && row.definition !== definition) this.store.put(name, definition, row);
    return { name, schedule, rule, announced, standing, isRunning, last: before?.last ?? row?.last };
  }

  /** What the file had, and has a mistake in now: not run, but expected. */
  #held(row: ScheduleRow, before: ScheduleEntry | undefined, now: Moment): ScheduleEntry | undefined {
    const known = readDefinition(row.definition);
    if (known === undefined) return undefined;
    const { announced, timetable } = known;
    const rule = ruleFor(timetable, announced.jitterMs, this.#options.peerId, row.name);
    return {
      name: row.name,
      schedule: undefined,
      rule,
      announced,
      standing: before?.standing ?? resume(rule, row, now),
      isRunning: before?.isRunning ?? false,
      last: before?.last ?? row.last,
    };
  }
}

export function unknownSchedule(name: string): FilerError {
  return new FilerError(
    'path-missing',
    `there is no schedule ${JSON.stringify(name)}: \`filer-client report schedule list\` shows them`,
  );
}

function announcedOf({ timetable, jitterMs, graceMs, always, command, timeoutMs }: Schedule): Announced {
  const { kind, text } = timetable;
  return {
    timetable: { kind, text },
    jitterMs,
    // Of a command the report comes when it has ended.
    graceMs: graceMs ?? (command.length === 0 ? undefined : defaultGraceMs(timetable) + timeoutMs),
    always,
  };
}

function defaultGraceMs(timetable: Timetable): number {
  const first = timetable.next(0) ?? 0;
  const distanceMs = timetable.intervalMs ?? (timetable.next(first) ?? first) - first;
  return Math.max(MIN_GRACE_MS, Math.ceil(distanceMs * GRACE_SHARE));
}

/** What a standing depends on. */
function timing({ timetable, jitterMs }: Announced): string {
  return JSON.stringify([timetable.kind, timetable.text, jitterMs ?? null]);
}

/** @returns undefined for one that this version does not understand */
function readDefinition(json: string): { announced: Announced; timetable: Timetable } | undefined {
  try {
    const announced = JSON.parse(json) as Announced; // our own row
    return { announced, timetable: parseTimetable(announced.timetable) };
  } catch (error) {
    if (error instanceof FilerError) return undefined;
    throw error;
  }
}

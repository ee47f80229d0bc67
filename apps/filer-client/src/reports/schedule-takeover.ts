import { FilerError, MAX_SCHEDULES } from '@filer/protocol';
import { parseTimetable, type Timetable, type TimetableText } from '@filer/program';
import type { LastRun, ScheduleRow, ScheduleStore } from '../store/schedule-store.ts';
import { begin, keep, resume, ruleFor, shifted, type Moment, type Rule, type Standing } from './due.ts';
import type { Schedule } from './schedule.ts';
import type { Mistake } from './schedules-text.ts';

/** A schedule with what is known of it. */
export interface ScheduleEntry {
  readonly name: string;
  /** undefined while the file does not have it, or has a mistake there: it does not run, and is expected. */
  readonly schedule: Schedule | undefined;
  /** When it is forgotten unless it is in the file again, by the steady clock; undefined for all others. */
  readonly leavesAtMs: number | undefined;
  readonly rule: Rule;
  readonly announced: Announced;
  /** After the run that continues, if one does. */
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

/**
 * How long a schedule must be absent from the file before that counts as its removal: a file that is written in steps, or
 * replaced by an editor, has less in it for a moment.
 */
const LEAVING_MS = 10 * 60_000;

/** Makes what the file says and what the database knows of it into the schedules of this machine. */
export class ScheduleTakeover {
  readonly #store: ScheduleStore;
  readonly #peerId: string;
  /** Since when the file does not have them, by the steady clock. */
  readonly #absentSinceMs = new Map<string, number>();

  /** @param peerId whose place in the jitter it is */
  constructor(store: ScheduleStore, peerId: string) {
    this.#store = store;
    this.#peerId = peerId;
  }

  /**
   * To be called in a transaction.
   *
   * @param rows what the database knows
   * @param before what there was until now
   */
  takeOver(
    schedules: readonly Schedule[],
    mistakes: readonly Mistake[],
    rows: readonly ScheduleRow[],
    before: ReadonlyMap<string, ScheduleEntry>,
    now: Moment,
  ): ReadonlyMap<string, ScheduleEntry> {
    const entries = new Map<string, ScheduleEntry>();
    for (const schedule of schedules) {
      const row = rows.find(({ name }) => name === schedule.name);
      const entry = this.#entryOf(schedule, before.get(schedule.name), row, now);
      entries.set(entry.name, entry);
    }
    const unclear = new Set(mistakes.map(({ name }) => name));
    for (const row of rows) {
      const { name } = row;
      const isUnclear = unclear.has(undefined) || unclear.has(name);
      if (isUnclear || entries.has(name)) this.#absentSinceMs.delete(name);
      if (entries.has(name)) continue;
      const held = this.#held(row, before.get(name), isUnclear, now);
      // At most as many as a server takes.
      if (held !== undefined && entries.size < MAX_SCHEDULES) entries.set(name, held);
      else {
        this.#absentSinceMs.delete(name);
        this.#store.remove(name);
      }
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
    const rule = ruleFor(timetable, jitterMs, this.#peerId, name);
    const announced = announcedOf(schedule);
    const definition = JSON.stringify(announced);
    const known = row === undefined ? undefined : readDefinition(row.definition);
    const isRunning = before?.isRunning ?? false;
    const last = before?.last ?? row?.last;
    const fixed = { name, schedule, rule, announced, leavesAtMs: undefined, isRunning, last };
    if (row === undefined || known === undefined || !isSameTimetable(known.announced, announced)) {
      const standing = begin(rule, now);
      this.#store.put(name, definition, keep(standing, now));
      return { ...fixed, standing };
    }
    const ruleBefore = this.#ruleOf(name, known);
    const standing = shifted(
      before?.standing ?? resume(ruleBefore, row, now),
      rule.offsetMs - ruleBefore.offsetMs,
    );
    // While it runs, the database keeps the standing before the run: what a kill interrupts is made up.
    if (row.definition !== definition)
      this.#store.put(name, definition, isRunning ? row : keep(standing, now));
    return { ...fixed, standing };
  }

  /**
   * What the file had and does not have now: not run, but known.
   *
   * @param isUnclear the file has a mistake there; else it is forgotten after a while
   * @returns undefined for what is to be forgotten
   */
  #held(
    row: ScheduleRow,
    before: ScheduleEntry | undefined,
    isUnclear: boolean,
    now: Moment,
  ): ScheduleEntry | undefined {
    const { name } = row;
    const known = readDefinition(row.definition);
    const sinceMs = this.#absentSinceMs.get(name) ?? now.steadyMs;
    if (known === undefined || (!isUnclear && now.steadyMs - sinceMs >= LEAVING_MS)) return undefined;
    if (!isUnclear) this.#absentSinceMs.set(name, sinceMs);
    const rule = this.#ruleOf(name, known);
    return {
      name,
      schedule: undefined,
      leavesAtMs: isUnclear ? undefined : sinceMs + LEAVING_MS,
      rule,
      announced: known.announced,
      standing: before?.standing ?? resume(rule, row, now),
      isRunning: before?.isRunning ?? false,
      last: before?.last ?? row.last,
    };
  }

  #ruleOf(name: string, { announced, timetable }: Known): Rule {
    return ruleFor(timetable, announced.jitterMs, this.#peerId, name);
  }
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

function isSameTimetable({ timetable: a }: Announced, { timetable: b }: Announced): boolean {
  return a.kind === b.kind && a.text === b.text;
}

interface Known {
  readonly announced: Announced;
  readonly timetable: Timetable;
}

/** @returns undefined for one that this version does not understand */
function readDefinition(json: string): Known | undefined {
  try {
    const announced = JSON.parse(json) as Announced; // our own row
    return { announced, timetable: parseTimetable(announced.timetable) };
  } catch (error) {
    if (error instanceof FilerError) return undefined;
    throw error;
  }
}

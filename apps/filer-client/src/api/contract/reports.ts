import { arrayOf, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';
import { path, timeoutMs } from './send.ts';

/** The spool says what is too much, for all parts together. */
const anyText = text(Number.POSITIVE_INFINITY);

const spooledReport = v.object({
  /** Whether the server has it on its disk; else it waits in the spool and goes by itself. */
  stored: v.boolean(),
  /** Reports that wait now. */
  spooled: v.number(),
  /** Why it waits. */
  reason: v.exactOptional(v.string()),
});
export type SpooledReport = v.InferOutput<typeof spooledReport>;

/** A schedule. Durations in ms. */
const scheduleLine = v.object({
  name: v.string(),
  /** As `--every` takes it; null for one by cron. */
  every: v.nullable(v.string()),
  cron: v.nullable(v.string()),
  command: arrayOf(v.string()),
  shell: v.boolean(),
  attach: arrayOf(v.string()),
  values: v.record(v.string(), v.string()),
  title: v.string(),
  expect: v.picklist(['running', 'always']),
  graceMs: v.nullable(v.number()),
  timeoutMs: v.number(),
  maxOutputBytes: v.number(),
  jitterMs: v.nullable(v.number()),
  cwd: v.nullable(v.string()),
  /** When the next report is due by the clock of this machine; null where that is now. */
  nextAt: v.nullable(v.string()),
  running: v.boolean(),
  /** When it was made last. */
  lastAt: v.nullable(v.string()),
  /** Why that was no good report. */
  lastFailure: v.nullable(v.string()),
});
export type ScheduleLine = v.InferOutput<typeof scheduleLine>;

const scheduleList = v.object({
  file: v.string(),
  /** Whether a daemon makes the reports now. */
  daemon: v.boolean(),
  schedules: arrayOf(scheduleLine),
  /** What in the file cannot be used. */
  mistakes: arrayOf(v.object({ name: v.nullable(v.string()), message: v.string() })),
  /** What the file no longer has: it does not run, and is forgotten then unless it returns. */
  leaving: arrayOf(v.object({ name: v.string(), leavesAt: v.string() })),
});

/** What a run reported, and whether the server has it. */
const scheduleRunOutcome = v.object({
  name: v.string(),
  seq: v.number(),
  title: v.string(),
  values: v.record(v.string(), v.string()),
  output: v.nullable(v.string()),
  run: v.nullable(
    v.object({
      exitCode: v.nullable(v.number()),
      signal: v.nullable(v.string()),
      durationMs: v.number(),
      timedOut: v.boolean(),
      droppedBytes: v.number(),
    }),
  ),
  attachments: arrayOf(v.object({ name: v.string(), size: v.number(), digest: v.string() })),
  /** Why the command did not do its work. */
  failure: v.nullable(v.string()),
  ...spooledReport.entries,
});
export type ScheduleRunOutcome = v.InferOutput<typeof scheduleRunOutcome>;

const refusedReports = v.object({ numbers: arrayOf(v.number()), all: v.optional(v.boolean()) });
export type RefusedReports = v.InferOutput<typeof refusedReports>;

const spoolAnswer = v.object({
  /** Their numbers, as they are now. */
  seqs: arrayOf(v.number()),
  /** Reports that wait now. */
  spooled: v.number(),
  /** Refused ones that are left. */
  refused: v.number(),
});
export type SpoolAnswer = v.InferOutput<typeof spoolAnswer>;

const named = v.object({ name: text() });

export const reportMethods = {
  report: method('report', {
    params: v.object({
      values: arrayOf(v.pipe(v.tuple([anyText, anyText]), v.readonly())),
      title: v.optional(anyText),
      attach: v.optional(arrayOf(path)),
      timeoutMs: v.optional(timeoutMs),
    }),
    result: v.object({ seq: v.number(), ...spooledReport.entries }),
  }),

  /** The fields of the schedule are those of the file, and are checked as those. */
  scheduleAdd: method('schedule-add', {
    access: 'admin',
    changes: true,
    params: v.object({ schedule: v.record(v.string(), v.unknown()), replace: v.optional(v.boolean()) }),
    result: v.object({ ...scheduleLine.entries, daemon: v.boolean() }),
  }),
  scheduleList: method('schedule-list', { access: 'read', params: NO_PARAMS, result: scheduleList }),
  scheduleRemove: method('schedule-remove', {
    access: 'admin',
    changes: true,
    params: named,
    result: v.object({ name: v.string() }),
  }),
  /** Now, whatever is due. */
  scheduleRun: method('schedule-run', {
    access: 'admin',
    changes: true,
    params: named,
    result: scheduleRunOutcome,
  }),

  spoolRetry: method('spool-retry', { params: refusedReports, result: spoolAnswer }),
  spoolDrop: method('spool-drop', { params: refusedReports, result: spoolAnswer }),
};

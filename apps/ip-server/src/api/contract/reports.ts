import { arrayOf, count, method, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

const reportEntry = v.object({
  id: v.string(),
  /** The name of the machine that made it. */
  peer: v.string(),
  peerId: v.string(),
  kind: v.picklist(['user', 'schedule']),
  /** When it was made, by its maker's clock. */
  time,
  receivedAt: time,
  title: v.nullable(v.string()),
  schedule: v.nullable(v.string()),
  values: arrayOf(v.object({ name: v.string(), value: v.string() })),
  output: v.nullable(v.string()),
  /** How its command ended. */
  exitCode: v.nullable(v.number()),
  attachments: arrayOf(v.object({ name: v.string(), size: v.number() })),
});
export type ReportEntry = v.InferOutput<typeof reportEntry>;

/** A report with all of a long text is one of `ip-server reports get`. */
export const MAX_SHOWN_CHARS = 4_000;
export const MAX_SHOWN_VALUES = 100;

const name = text(64);

export const reportMethods = {
  /** The newest first. Long texts are cut. */
  reportList: method('report-list', {
    access: 'read',
    params: v.object({
      /** @default all machines */
      peer: v.exactOptional(name),
      /** The id of the last one that is known: those before it. @default the newest */
      before: v.exactOptional(v.pipe(v.string(), v.regex(/^[1-9][0-9]{0,15}$/))),
      limit: v.pipe(count, v.maxValue(100)),
    }),
    result: v.object({ reports: arrayOf(reportEntry) }),
  }),

  /** The schedules of a machine: those of its newest reports first, empty for reports made by hand, then others that are expected. */
  reportSchedules: method('report-schedules', {
    access: 'read',
    params: v.object({ peer: name }),
    result: v.object({ schedules: arrayOf(v.string()) }),
  }),

  /** The values of a schedule that are numbers, over its last 300 reports; of reports made by hand with an empty schedule. */
  reportSeries: method('report-series', {
    access: 'read',
    params: v.object({ peer: name, schedule: text() }),
    result: v.object({
      /** When the reports were received, in seconds since the epoch, oldest first. */
      times: arrayOf(v.number()),
      /** One a value, with a number or null for each time. */
      series: arrayOf(v.object({ name: v.string(), numbers: arrayOf(v.nullable(v.number())) })),
    }),
  }),
};

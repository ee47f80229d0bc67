import { MAX_COLLECT_PATHS } from '@filer/protocol';
import { arrayOf, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';
import { time } from './time.ts';

/** What became of a machine in a run, those that need attention first. */
export const MACHINE_STATES = [
  'missing',
  'late',
  'failed',
  'delivering',
  'asked',
  'waiting',
  'delivered',
  'left',
  'removed',
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

/*
 * Numbers of answers have no bounds here: what machines claim may add up to any.
 */

/** How far a delivery is. */
const deliveryProgress = v.object({
  files: v.number(),
  filesTotal: v.number(),
  bytes: v.number(),
  bytesTotal: v.number(),
  /** Whether the totals are final. */
  complete: v.boolean(),
});
export type DeliveryProgress = v.InferOutput<typeof deliveryProgress>;

/** One line of the ledger. */
const machineEntry = v.object({
  name: v.string(),
  id: v.string(),
  state: v.picklist(MACHINE_STATES),
  /** Whether it had not delivered when the grace was over; also of one that has delivered since. */
  late: v.boolean(),
  online: v.boolean(),
  /** Where its files of this run are. */
  folder: v.string(),
  askedAt: v.nullable(time),
  deliveredAt: v.nullable(time),
  files: v.number(),
  bytes: v.number(),
  filesFailed: v.number(),
  /** The first of them. */
  failures: arrayOf(v.object({ name: v.string(), code: v.string(), message: v.string() })),
  /** Why the last try failed. */
  code: v.nullable(v.string()),
  reason: v.nullable(v.string()),
  tries: v.number(),
  progress: v.nullable(deliveryProgress),
});
export type MachineEntry = v.InferOutput<typeof machineEntry>;

const runEntry = v.object({
  id: v.string(),
  /** The name of its folders. */
  run: v.string(),
  /** By the timetable; null for one that a person began. */
  dueAt: v.nullable(time),
  startedAt: time,
  /** Only the newest one is continued. */
  newest: v.boolean(),
  /** Machines that it asks; the counts by state add up to it. */
  expected: v.number(),
  delivered: v.number(),
  delivering: v.number(),
  asked: v.number(),
  waiting: v.number(),
  late: v.number(),
  failed: v.number(),
  missing: v.number(),
  /** Left or removed since. */
  gone: v.number(),
  files: v.number(),
  bytes: v.number(),
});
export type RunEntry = v.InferOutput<typeof runEntry>;

const collectEntry = v.object({
  name: v.string(),
  from: arrayOf(v.string()),
  paths: arrayOf(v.string()),
  every: v.nullable(v.string()),
  cron: v.nullable(v.string()),
  folder: v.string(),
  graceMs: v.number(),
  createdAt: time,
  nextAt: v.nullable(time),
  lastRun: v.nullable(runEntry),
});
export type CollectEntry = v.InferOutput<typeof collectEntry>;

const collectsDocument = v.object({ running: v.boolean(), collects: arrayOf(collectEntry) });
export type CollectsDocument = v.InferOutput<typeof collectsDocument>;

/** The ledger of a run. */
const ledgerDocument = v.object({
  running: v.boolean(),
  collect: collectEntry,
  /** Null while the collect has not run. */
  run: v.nullable(runEntry),
  /** Those that need attention first. */
  machines: arrayOf(machineEntry),
  /** The newest runs. */
  runs: arrayOf(runEntry),
});
export type LedgerDocument = v.InferOutput<typeof ledgerDocument>;

/** What `collect run` tells, one item a line under `--json`. */
const collectRunEvent = v.variant('type', [
  v.object({
    type: v.literal('run'),
    collect: v.string(),
    run: v.string(),
    id: v.string(),
    startedAt: time,
    expected: v.number(),
  }),
  v.object({ type: v.literal('machine'), ...machineEntry.entries }),
]);
export type CollectRunEvent = v.InferOutput<typeof collectRunEvent>;

/** How `collect run` ended: the last line under `--json`. */
const collectRunDone = v.object({
  type: v.literal('done'),
  ok: v.boolean(),
  exitCode: v.number(),
  collect: v.string(),
  run: v.string(),
  expected: v.number(),
  delivered: v.number(),
  files: v.number(),
  bytes: v.number(),
});
export type CollectRunDone = v.InferOutput<typeof collectRunDone>;

const name = text(64);

/** The longest grace: a year. */
const MAX_GRACE_MS = 366 * 24 * 3_600_000;

const definition = v.object({
  name,
  /** Names of machines, `@group`, `@all`. */
  from: arrayOf(text(), 1_000),
  paths: arrayOf(text(4_096), MAX_COLLECT_PATHS),
  kind: v.picklist(['every', 'cron']),
  timetable: text(200),
  graceMs: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_GRACE_MS)),
  /** Absolute; below the data of the server unless given. */
  folder: v.exactOptional(text(4_096)),
});
export type CollectDefinition = v.InferOutput<typeof definition>;

const named = v.object({ name });
/** @default the newest run */
const whichRun = v.object({ name, run: v.exactOptional(text(64)) });

export const collectMethods = {
  /** Those with trouble in their last run first, then by name. */
  collects: method('collects', { params: NO_PARAMS, result: collectsDocument, access: 'read' }),
  collectAdd: method('collect-add', {
    params: definition,
    result: collectEntry,
    access: 'admin',
    changes: true,
    target: (collect) => collect.name,
  }),
  /** What was collected stays. */
  collectRemove: method('collect-remove', {
    access: 'admin',
    changes: true,
    target: (collect) => collect.name,
    params: named,
    result: v.object({ name: v.string(), folder: v.string() }),
  }),
  collectShow: method('collect-show', { params: whichRun, result: ledgerDocument, access: 'read' }),
  /** Begins a run and follows it until nothing more comes of it for now. */
  collectRun: method('collect-run', {
    params: named,
    item: collectRunEvent,
    result: collectRunDone,
    access: 'jobs',
    changes: true,
    target: (collect) => collect.name,
  }),
};

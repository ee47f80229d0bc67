import { FilerError, fieldsOf, isErrorCode, listOf, textOf, type ErrorCode } from '@filer/protocol';
import { integerIn, type Row, storedJson, textIn, type TimetableText } from '@filer/program';

/** What is collected, of whom, and when. */
export interface Collect {
  readonly name: string;
  /** `@all`, `@group`, or the id of a machine. */
  readonly sources: readonly string[];
  /** Globs over `SHARE/path/below`. */
  readonly paths: readonly string[];
  readonly timetable: TimetableText;
  /** Absolute: below it each machine has its folder, and in that each run. */
  readonly folder: string;
  /** A machine that has not delivered for so long after the beginning of a run is late. */
  readonly graceMs: number;
  readonly createdAt: number;
  /** ms since the epoch; undefined when no further run is due, ever. */
  readonly nextAt: number | undefined;
}

export interface CollectRun {
  readonly number: number;
  /** How machines know it. */
  readonly id: string;
  readonly collect: string;
  /** Its folder in the folder of each machine, and how people know it: of one collect no two have the same. */
  readonly label: string;
  /** By the timetable; undefined for one that a person began. */
  readonly dueAt: number | undefined;
  readonly startedAt: number;
  /** Its grace is over. */
  readonly isLate: boolean;
}

/**
 * `waiting` was not asked since the server knows of it, `asked` has promised to deliver, `failed` is tried again,
 * `missing` had not delivered when the next run began, `left` and `removed` are no members any more.
 */
export const DELIVERY_STATES = [
  'waiting',
  'asked',
  'delivered',
  'failed',
  'missing',
  'left',
  'removed',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** One file that did not come. Its name is another machine's: escape it. */
export interface FileFailure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** What one machine has delivered in one run. */
export interface Delivery {
  readonly peer: string;
  /** What it was called when the run began. */
  readonly name: string;
  /** Its folder below the folder of the collect. */
  readonly folder: string;
  readonly state: DeliveryState;
  /** Whether it had not delivered when the grace was over. */
  readonly late: boolean;
  readonly askedAt: number | undefined;
  readonly deliveredAt: number | undefined;
  readonly files: number;
  readonly bytes: number;
  readonly filesFailed: number;
  /** The first of them. */
  readonly failures: readonly FileFailure[];
  /** Why the last try failed. */
  readonly code: ErrorCode | undefined;
  readonly reason: string | undefined;
  readonly tries: number;
}

export function collectOf(row: Row): Collect {
  const kind = textIn(row, 'timetable_kind') === 'cron' ? 'cron' : 'every';
  return {
    name: textIn(row, 'name'),
    sources: textsOf(row, 'sources'),
    paths: textsOf(row, 'paths'),
    timetable: { kind, text: textIn(row, 'timetable') },
    folder: textIn(row, 'folder'),
    graceMs: integerIn(row, 'grace_ms'),
    createdAt: integerIn(row, 'created_at'),
    nextAt: optionalInteger(row, 'next_at'),
  };
}

export function runOf(row: Row): CollectRun {
  return {
    number: integerIn(row, 'number'),
    id: textIn(row, 'id'),
    collect: textIn(row, 'collect'),
    label: textIn(row, 'label'),
    dueAt: optionalInteger(row, 'due_at'),
    startedAt: integerIn(row, 'started_at'),
    isLate: integerIn(row, 'is_late') === 1,
  };
}

export function deliveryOf(row: Row): Delivery {
  const state = DELIVERY_STATES.find((each) => each === row['state']);
  if (state === undefined) throw new FilerError('store-damaged', 'a delivery has no state that is known');
  const code = row['code'];
  return {
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    folder: textIn(row, 'folder'),
    state,
    late: integerIn(row, 'late') === 1,
    askedAt: optionalInteger(row, 'asked_at'),
    deliveredAt: optionalInteger(row, 'delivered_at'),
    files: integerIn(row, 'files'),
    bytes: integerIn(row, 'bytes'),
    filesFailed: integerIn(row, 'files_failed'),
    failures: storedJson(textIn(row, 'failures'), 'failures', (value) =>
      listOf(value, 'failures', Number.POSITIVE_INFINITY, failureOf),
    ),
    code: typeof code === 'string' && isErrorCode(code) ? code : undefined,
    reason: row['reason'] === null ? undefined : textIn(row, 'reason'),
    tries: integerIn(row, 'tries'),
  };
}

function failureOf(value: unknown, what: string): FileFailure {
  const fields = fieldsOf(value, what);
  const field = (key: string): string => textOf(fields[key], key, { max: Number.POSITIVE_INFINITY });
  return { name: field('name'), code: field('code'), message: field('message') };
}

function textsOf(row: Row, column: string): string[] {
  return storedJson(textIn(row, column), column, (value) =>
    listOf(value, column, Number.POSITIVE_INFINITY, textOf),
  );
}

function optionalInteger(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : integerIn(row, column);
}

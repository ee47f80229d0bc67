import { isAbsolute } from 'node:path';
import { encodeReportBody, fieldsOf, FilerError, listOf, MAX_REPORT_BYTES, textOf } from '@filer/protocol';
import { CRON, DURATION, EVERY, formatDuration, type Kind, type Timetable } from '@filer/program';
import { EXPECT, GLOB, GRACE, MAX_OUTPUT, SCHEDULE_NAME, TIMEOUT } from '../schedule-kinds.ts';
import { shortestDistanceMs } from './due.ts';

/** What is to be reported again and again, and when. */
export interface Schedule {
  readonly name: string;
  readonly timetable: Timetable;
  /** A program and its arguments; without it the report has the values and the attachments. */
  readonly command: readonly string[];
  /** Whether the command is one line for `/bin/sh`. */
  readonly shell: boolean;
  /** Patterns of files that belong to the report, relative to `cwd` or absolute. */
  readonly attach: readonly string[];
  readonly values: readonly (readonly [string, string])[];
  readonly title: string;
  /** Whether reports are expected also when the machine has said goodbye. */
  readonly always: boolean;
  /** A report that is due for longer is late. */
  readonly graceMs: number | undefined;
  readonly timeoutMs: number;
  /** Of a command's output, as JSON writes it: the last of it are kept. */
  readonly maxOutputBytes: number;
  /** Over how long the machines of a network spread. */
  readonly jitterMs: number | undefined;
  /** Absolute; the user's home without it. */
  readonly cwd: string | undefined;
}

/** How a schedule is written: in `schedules.toml`, and on its way to a daemon. */
export type ScheduleFields = Readonly<Record<string, unknown>>;

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT_BYTES = 16 * 1024;

/** Values and title together, as JSON. */
const MAX_OWN_BYTES = 16 * 1024;

const MAX_PATTERNS = 100;
const MAX_ARGUMENTS = 1_000;
const MAX_TEXT = 8 * 1024;

/** What a schedule may say, beside its name. */
const KEYS = [
  ...['name', 'every', 'cron', 'command', 'shell', 'attach', 'set', 'title'],
  ...['expect', 'grace', 'timeout', 'max-output', 'jitter', 'cwd'],
];

/**
 * Reads a schedule as a file or a command tells it.
 *
 * @throws FilerError `usage`: one sentence that names what is wrong
 */
export function parseSchedule(value: unknown): Schedule {
  try {
    return readSchedule(fieldsOf(value, 'a schedule'));
  } catch (error) {
    if (error instanceof FilerError) throw new FilerError('usage', error.message, { cause: error });
    throw error;
  }
}

function readSchedule(fields: ScheduleFields): Schedule {
  const unknown = Object.keys(fields).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw wrong(`${JSON.stringify(unknown)} is not known; a schedule has ${KEYS.join(', ')}`);
  const name = read(SCHEDULE_NAME, fields, 'name');
  const [every, cron] = [read(EVERY, fields, 'every'), read(CRON, fields, 'cron')];
  const timetable = every ?? cron;
  if (name === undefined) throw wrong(`name is missing, it takes ${SCHEDULE_NAME.expects}`);
  if (timetable === undefined || (every !== undefined && cron !== undefined))
    throw wrong(`give one of every (such as 10m) and cron (such as '0 18 * * *')`);
  const cwd = fields['cwd'] === undefined ? undefined : line(fields['cwd'], 'cwd');
  if (cwd !== undefined && !isAbsolute(cwd))
    throw wrong(`cwd takes an absolute path such as /srv/app, not ${JSON.stringify(cwd)}`);
  const schedule: Schedule = {
    name,
    timetable,
    command: listOf(fields['command'] ?? [], 'command', MAX_ARGUMENTS, line),
    shell: fields['shell'] === undefined ? false : toggle(fields['shell'], 'shell'),
    attach: listOf(fields['attach'] ?? [], 'attach', MAX_PATTERNS, (each) => parse(GLOB, each, 'attach')),
    values: Object.entries(fieldsOf(fields['set'] ?? {}, 'set')).map(([key, text]) => [
      key,
      line(text, `set.${key}`),
    ]),
    title: fields['title'] === undefined ? '' : line(fields['title'], 'title'),
    always: read(EXPECT, fields, 'expect') === 'always',
    graceMs: read(GRACE, fields, 'grace'),
    timeoutMs: read(TIMEOUT, fields, 'timeout') ?? DEFAULT_TIMEOUT_MS,
    maxOutputBytes: read(MAX_OUTPUT, fields, 'max-output') ?? DEFAULT_OUTPUT_BYTES,
    jitterMs: read(DURATION, fields, 'jitter'),
    cwd,
  };
  checkWhole(schedule);
  return schedule;
}

/** What is right in each part can be wrong as a whole. */
function checkWhole({ name, timetable, command, shell, values, title, jitterMs }: Schedule): void {
  if (command[0] === '') throw wrong('command begins with the name of a program, such as df');
  if (shell && command.length !== 1)
    throw wrong(`shell takes the command as one text such as 'df -h | tail -1'`);
  if (values.some(([key]) => key === '')) throw wrong('set has a value without a name');
  const distanceMs = shortestDistanceMs(timetable);
  if (jitterMs !== undefined && jitterMs > distanceMs)
    throw wrong(
      `jitter is longer than the time from one run to the next (${formatDuration(distanceMs)}): take a shorter one such as ${formatDuration(Math.floor(distanceMs / 10))}`,
    );
  const own = encodeReportBody({ title, values, schedule: name }).length;
  if (own > MAX_OWN_BYTES)
    throw wrong(
      `set and title are ${own} bytes together, the limit is ${MAX_OWN_BYTES} (a report has ${MAX_REPORT_BYTES} in all)`,
    );
}

/** As `schedules.toml` writes it: what is as by default is left out. */
export function fieldsOfSchedule(schedule: Schedule, given: ScheduleFields): ScheduleFields {
  const { name, timetable } = schedule;
  const rest = KEYS.flatMap((key) => {
    const value = given[key];
    const isEmpty =
      value === undefined ||
      value === false ||
      (Array.isArray(value) && value.length === 0) ||
      (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
    return isEmpty || ['name', 'every', 'cron'].includes(key) ? [] : [[key, value] as const];
  });
  return { name, [timetable.kind]: timetable.text, ...Object.fromEntries(rest) };
}

function read<T>(kind: Kind<T>, fields: ScheduleFields, key: string): T | undefined {
  const value = fields[key];
  return value === undefined ? undefined : parse(kind, value, key);
}

function parse<T>(kind: Kind<T>, value: unknown, key: string): T {
  try {
    if (typeof value === 'string') return kind.parse(value);
  } catch (error) {
    throw wrong(`${key} takes ${kind.expects}, not ${JSON.stringify(value)}`, error);
  }
  throw wrong(`${key} takes ${kind.expects}, as a text in quotes`);
}

/** A text that a program can be given: it has no NUL. */
function line(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wrong(`${what} takes a text in quotes`);
  const text = textOf(value, what, { max: MAX_TEXT });
  if (text.includes('\0')) throw wrong(`${what} has a NUL in it, which no program can be given`);
  return text;
}

function toggle(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrong(`${what} takes true or false`);
}

function wrong(message: string, cause?: unknown): FilerError {
  return new FilerError('usage', message, { cause });
}

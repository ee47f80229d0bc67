import { fieldsOf, FilerError } from '@filer/protocol';
import { iso, LOCAL_CALLER, readClocks, type Caller } from '@filer/program';
import type { reportMethods, ScheduleLine } from '../../api/contract/reports.ts';
import type { ScheduleTable } from '../../reports/schedule-table.ts';
import type { ScheduleEntry } from '../../reports/schedule-takeover.ts';
import type { OperationOf } from '../operation-context.ts';
import { sendSpooled } from './report.ts';

type Methods = typeof reportMethods;

/** `report schedule add NAME …`: the fields are those of the file. */
export const scheduleAdd: OperationOf<Methods['scheduleAdd']> = (
  { schedules, daemon },
  params,
  { caller },
) => {
  const { schedule, replace = false } = params;
  if ('command' in schedule || hasCommand(schedules, schedule['name'])) requireCommandLine(caller);
  const entry = schedules.add(fieldsOf(schedule, 'schedule'), replace);
  daemon.scheduler.wake();
  return { ...lineOf(schedules, entry), daemon: daemon.isRunning };
};

export const scheduleList: OperationOf<Methods['scheduleList']> = ({ schedules, daemon }) => {
  schedules.refresh();
  daemon.scheduler.wake();
  return {
    file: schedules.file.path,
    daemon: daemon.isRunning,
    schedules: schedules.entries.flatMap((entry) =>
      entry.schedule === undefined ? [] : [lineOf(schedules, entry)],
    ),
    mistakes: schedules.mistakes.map(({ name, message }) => ({ name: name ?? null, message })),
    leaving: schedules.entries.flatMap(({ name, leavesAtMs }) =>
      leavesAtMs === undefined ? [] : [{ name, leavesAt: leavesAt(leavesAtMs) }],
    ),
  };
};

export const scheduleRemove: OperationOf<Methods['scheduleRemove']> = ({ schedules, daemon }, { name }) => {
  schedules.remove(name);
  daemon.scheduler.wake();
  return { name };
};

/** `report schedule run NAME`: now, whatever is due. */
export const scheduleRun: OperationOf<Methods['scheduleRun']> = async (
  context,
  { name },
  { caller, signal },
) => {
  const { daemon, schedules } = context;
  if (hasCommand(schedules, name)) requireCommandLine(caller);
  await daemon.prepareSpool();
  const { seq, body, attachments, failure } = await daemon.scheduler.runNow(name, signal);
  const sent = await sendSpooled(context, seq, signal);
  return {
    name,
    seq,
    title: body.title,
    values: Object.fromEntries(body.values),
    output: body.output ?? null,
    run: body.run ?? null,
    attachments,
    failure: failure ?? null,
    ...sent,
  };
};

function hasCommand(schedules: ScheduleTable, name: unknown): boolean {
  schedules.refresh();
  return schedules.entries.some((each) => each.name === name && (each.schedule?.command.length ?? 0) > 0);
}

/** With a command of its choice, a page that was taken over, or its cookie, would do anything as this user. */
function requireCommandLine({ id }: Caller): void {
  if (id === LOCAL_CALLER.id) return;
  throw new FilerError(
    'refused',
    'a schedule that runs a command is added, replaced and run in a terminal only, so that no browser runs commands: use `filer-client report schedule`',
  );
}

function leavesAt(steadyMs: number): string {
  return new Date(Date.now() + steadyMs - readClocks().steadyMs).toISOString();
}

function lineOf(schedules: ScheduleTable, { name, schedule, isRunning, last }: ScheduleEntry): ScheduleLine {
  if (schedule === undefined) throw new FilerError('configuration-invalid', `${name} cannot be read`);
  const { timetable, command, shell, attach, values, title, always } = schedule;
  const nextInMs = schedules.dueOf(name)?.nextInMs ?? 0;
  return {
    name,
    every: timetable.kind === 'every' ? timetable.text : null,
    cron: timetable.kind === 'cron' ? timetable.text : null,
    command,
    shell,
    attach,
    values: Object.fromEntries(values),
    title,
    expect: always ? 'always' : 'running',
    graceMs: schedule.graceMs ?? null,
    timeoutMs: schedule.timeoutMs,
    maxOutputBytes: schedule.maxOutputBytes,
    jitterMs: schedule.jitterMs ?? null,
    cwd: schedule.cwd ?? null,
    nextAt: nextInMs === 0 ? null : new Date(Date.now() + nextInMs).toISOString(),
    running: isRunning,
    lastAt: last === undefined ? null : iso(last.at),
    lastFailure: last?.failure ?? null,
  };
}

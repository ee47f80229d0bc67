import { fieldsOf, FilerError, textOf, type Attachment, type CommandRun } from '@filer/protocol';
import { iso } from '@filer/program';
import type { Member } from '../../network/member.ts';
import { readClocks } from '../../reports/clocks.ts';
import type { ScheduleEntry } from '../../reports/schedule-takeover.ts';
import { Scheduler } from '../../reports/scheduler.ts';
import type { Operation, Site } from '../site.ts';
import { sendSpooled } from './report.ts';

/** A schedule as programs are told. Durations in ms. */
export interface ScheduleLine {
  readonly name: string;
  /** As `--every` takes it; null for one by cron. */
  readonly every: string | null;
  readonly cron: string | null;
  readonly command: readonly string[];
  readonly shell: boolean;
  readonly attach: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  readonly title: string;
  readonly expect: 'running' | 'always';
  readonly graceMs: number | null;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly jitterMs: number | null;
  readonly cwd: string | null;
  /** When the next report is due by the clock of this machine; null where that is now. */
  readonly nextAt: string | null;
  readonly running: boolean;
  /** When it was made last. */
  readonly lastAt: string | null;
  /** Why that was no good report. */
  readonly lastFailure: string | null;
}

export interface ScheduleList {
  readonly file: string;
  /** Whether a daemon makes the reports now. */
  readonly daemon: boolean;
  readonly schedules: readonly ScheduleLine[];
  /** What in the file cannot be used. */
  readonly mistakes: readonly { readonly name: string | null; readonly message: string }[];
  /** What the file does not have any more: it does not run, and is forgotten then unless it returns. */
  readonly leaving: readonly { readonly name: string; readonly leavesAt: string }[];
}

/** What a run reported, and whether the server has it. */
export interface ScheduleRunOutcome {
  readonly name: string;
  readonly seq: number;
  readonly title: string;
  readonly values: Readonly<Record<string, string>>;
  readonly output: string | null;
  readonly run: CommandRun | null;
  readonly attachments: readonly Attachment[];
  /** Why the command did not do its work. */
  readonly failure: string | null;
  readonly stored: boolean;
  /** Reports that wait now. */
  readonly spooled: number;
  /** Why it waits. */
  readonly reason?: string;
}

/** `report schedule add NAME …`: the fields are those of the file. */
export const scheduleAdd: Operation = ({ member, daemon }, params) => {
  const fields = fieldsOf(params, 'schedule add');
  const replace = fields['replace'] === true;
  const entry = member.schedules.add(fieldsOf(fields['schedule'], 'schedule'), replace);
  daemon?.scheduler.wake();
  return Promise.resolve({ ...lineOf(member, entry), daemon: daemon !== undefined });
};

export const scheduleList: Operation = ({ member, daemon }) => {
  member.schedules.refresh();
  daemon?.scheduler.wake();
  const list: ScheduleList = {
    file: member.schedules.file.path,
    daemon: daemon !== undefined,
    schedules: member.schedules.entries.flatMap((entry) =>
      entry.schedule === undefined ? [] : [lineOf(member, entry)],
    ),
    mistakes: member.schedules.mistakes.map(({ name, message }) => ({ name: name ?? null, message })),
    leaving: member.schedules.entries.flatMap(({ name, leavesAtMs }) =>
      leavesAtMs === undefined ? [] : [{ name, leavesAt: leavesAt(leavesAtMs) }],
    ),
  };
  return Promise.resolve(list);
};

export const scheduleRemove: Operation = ({ member, daemon }, params) => {
  const name = textOf(fieldsOf(params, 'schedule remove')['name'], 'NAME');
  member.schedules.remove(name);
  daemon?.scheduler.wake();
  return Promise.resolve({ name });
};

/** `report schedule run NAME`: now, whatever is due. */
export const scheduleRun: Operation = async (site, params, { signal }) => {
  const name = textOf(fieldsOf(params, 'schedule run')['name'], 'NAME');
  const { seq, body, attachments, failure } = await runNow(site, name, signal);
  const sent = await sendSpooled(site, seq, signal);
  const outcome: ScheduleRunOutcome = {
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
  return outcome;
};

function leavesAt(steadyMs: number): string {
  return new Date(Date.now() + steadyMs - readClocks().steadyMs).toISOString();
}

async function runNow(site: Site, name: string, signal: AbortSignal): ReturnType<Scheduler['runNow']> {
  if (site.daemon !== undefined) return site.daemon.scheduler.runNow(name, signal);
  const { member, environment, log } = site;
  const scheduler = new Scheduler({
    member,
    environment,
    clocks: readClocks,
    log,
    onSpooled: () => undefined,
    onChanged: () => undefined,
  });
  try {
    return await scheduler.runNow(name, signal);
  } finally {
    await scheduler.close();
  }
}

function lineOf({ schedules }: Member, { name, schedule, isRunning, last }: ScheduleEntry): ScheduleLine {
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

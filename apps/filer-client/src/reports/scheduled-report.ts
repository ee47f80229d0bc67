import { userWorkFolder } from '@filer/program';
import { MAX_REPORT_BYTES, type ReportBody, unlessAborted } from '@filer/protocol';
import { findFiles } from './attach-files.ts';
import { runCommand, type CommandFacts } from './command-report.ts';
import type { Schedule } from './schedule.ts';

/** Says in a report which files it has not. */
const LEFT_OUT = 'attachments-note';

/** What it says at most, in UTF-16 units. */
const MAX_NOTE = 2_000;

/** What one run of a schedule has to report. */
export interface ScheduledReport {
  /** Without its attachments. */
  readonly body: ReportBody;
  /** Files to attach; absolute, sorted. */
  readonly files: readonly string[];
  /** Why its command did not do its work. */
  readonly failure: string | undefined;
}

/**
 * Does what a schedule asks for.
 *
 * @throws the reason of `facts.signal` when that ends it: then there is nothing to report
 */
export async function makeReport(
  schedule: Schedule,
  facts: Omit<CommandFacts, 'cwd'>,
): Promise<ScheduledReport> {
  const { name, title, command, attach } = schedule;
  const { signal } = facts;
  const cwd = schedule.cwd ?? userWorkFolder();
  const result = command.length === 0 ? undefined : await runCommand(schedule, { ...facts, cwd });
  signal.throwIfAborted();
  // After the command: it may write what is attached.
  const found = await unlessAborted(findFiles(attach, cwd, signal), signal);
  const body: ReportBody = {
    title,
    values: schedule.values,
    schedule: name,
    ...(result === undefined ? {} : { run: result.run, output: result.output }),
  };
  return {
    body: found.note === undefined ? body : withNote(body, found.note),
    files: found.paths,
    failure: result?.failure,
  };
}

/** A report that says which files it has not. */
export function withNote(body: ReportBody, note: string): ReportBody {
  const others = body.values.filter(([key]) => key !== LEFT_OUT);
  const before = body.values.find(([key]) => key === LEFT_OUT)?.[1];
  const text = before === undefined ? note : `${before}; ${note}`;
  const short = text.length <= MAX_NOTE ? text : `${text.slice(0, MAX_NOTE).toWellFormed()}…`;
  return { ...body, values: [...others, [LEFT_OUT, short]] };
}

/**
 * Makes room in a report for what else it has: the last of its output is kept.
 *
 * @param otherBytes what is yet to be added to it
 */
export function fitted(body: ReportBody, otherBytes: number): ReportBody {
  const { output, run } = body;
  if (output === undefined || run === undefined) return body;
  let kept = output;
  for (;;) {
    const { droppedBytes } = run;
    const lost = Buffer.byteLength(output) - Buffer.byteLength(kept);
    const fitting: ReportBody = { ...body, output: kept, run: { ...run, droppedBytes: droppedBytes + lost } };
    const excess = sizeOf(fitting) + otherBytes - MAX_REPORT_BYTES;
    if (excess <= 0 || kept === '') return fitting;
    kept = kept.slice(Math.min(kept.length, Math.max(1, Math.ceil(excess / 6)))).toWellFormed();
  }
}

function sizeOf(body: ReportBody): number {
  return Buffer.byteLength(JSON.stringify(body));
}

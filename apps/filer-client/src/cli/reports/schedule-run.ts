import { formatBytes, formatDuration, required, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ScheduleRunOutcome } from '../../api/contract/reports.ts';
import { storedWords } from './report.ts';
import { OWN_SCHEDULE } from '../arguments.ts';

export const args = { name: required(OWN_SCHEDULE, 'which schedule') };

export const examples = ['report schedule run disk'];

/** Exit codes of a report that is safe, of a command that did not do its work. */
const FAILED = 1;
const TIMED_OUT = 9;

export async function run({ name }: ArgumentValues<typeof args>, context: Context): Promise<number> {
  const { output } = context;
  const outcome = await call(context, contract.scheduleRun, { name });
  output.json(outcome);
  for (const line of linesOf(outcome)) output.line(line);
  storedWords(outcome, output);
  if (outcome.failure === null) return 0;
  output.warn(`the command of ${name} failed: ${outcome.failure}; the failure was reported`);
  return outcome.run?.timedOut === true ? TIMED_OUT : FAILED;
}

function linesOf({ title, values, output, run, attachments }: ScheduleRunOutcome): string[] {
  return [
    ...(title === '' ? [] : [title]),
    ...Object.entries(values).map(([key, value]) => `${key}=${value}`),
    ...(output === null || output === '' ? [] : [output.trimEnd()]),
    ...(run === null ? [] : [runLine(run)]),
    ...attachments.map(({ name, size }) => `attached ${name} (${formatBytes(size)})`),
  ];
}

function runLine(run: NonNullable<ScheduleRunOutcome['run']>): string {
  const { exitCode, signal, durationMs, droppedBytes } = run;
  const how = exitCode !== null ? `exit ${exitCode}` : signal === null ? 'not started' : `ended by ${signal}`;
  const dropped = droppedBytes === 0 ? '' : `, ${formatBytes(droppedBytes)} of its output left out`;
  return `${how} after ${formatDuration(durationMs)}${dropped}`;
}

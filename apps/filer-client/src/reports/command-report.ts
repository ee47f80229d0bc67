import { stat } from 'node:fs/promises';
import { systemCode, type CommandRun } from '@filer/protocol';
import { formatDuration, passedOn, runToEnd, type Environment } from '@filer/program';
import { RUN_VARIABLE } from './left-behind.ts';
import { OutputTail } from './output-tail.ts';
import type { Schedule } from './schedule.ts';

/** What a command is given beside what stands in its schedule. */
export interface CommandFacts {
  readonly environment: Environment;
  /** The name of this machine. */
  readonly machine: string;
  /** Names this run. */
  readonly run: string;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** What came of a command. */
export interface CommandResult {
  readonly run: CommandRun;
  readonly output: string;
  /** Why it did not do its work, in words; undefined when it ended with exit 0. */
  readonly failure: string | undefined;
}

/**
 * Runs the command of a schedule: never through a shell unless it asks for one, with nothing on its standard input, ended
 * when it takes too long. Each way in which it ends is a result.
 */
export async function runCommand(schedule: Schedule, facts: CommandFacts): Promise<CommandResult> {
  const { name, command, shell, timeoutMs, maxOutputBytes } = schedule;
  const { environment, machine, run, cwd, signal } = facts;
  const obstacle = await folderProblem(cwd);
  if (obstacle !== undefined) return notStarted(obstacle, 0);
  const tail = new OutputTail(maxOutputBytes);
  const end = await runToEnd({
    command: shell ? ['/bin/sh', '-c', ...command] : command,
    cwd,
    env: {
      ...passedOn(environment, 'FILER_HOME'),
      FILER_SCHEDULE: name,
      FILER_MACHINE: machine,
      [RUN_VARIABLE]: run,
    },
    timeoutMs,
    signal,
    onOutput: (text) => tail.add(text),
  });
  const { exitCode, signal: killedBy, timedOut, durationMs, failure } = end;
  if (exitCode === null && killedBy === null) return notStarted(failure ?? '', durationMs, command[0]);
  const { text, droppedBytes } = tail.end(maxOutputBytes);
  return {
    run: { exitCode, signal: killedBy, durationMs, timedOut, droppedBytes },
    output: text,
    failure: timedOut ? `it took longer than ${formatDuration(timeoutMs)} and was ended` : failure,
  };
}

/** What the system says of a program that it does not start. */
const WHY_NOT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program, or not the interpreter that its first line names',
  EACCES: 'this user may not run it',
  E2BIG: 'its arguments are longer than this system takes',
  EMFILE: 'the daemon has as many files open as it may; it is tried again when it is due',
  EAGAIN: 'this user has as many processes as it may; it is tried again when it is due',
};

function notStarted(reason: string, durationMs: number, program?: string): CommandResult {
  const [code = ''] = /E[A-Z0-9]+$/.exec(reason) ?? [];
  const why = WHY_NOT[code] ?? reason;
  const failure = program === undefined ? why : `${JSON.stringify(program)} could not be started: ${why}`;
  return {
    run: { exitCode: null, signal: null, durationMs, timedOut: false, droppedBytes: 0 },
    output: failure,
    failure,
  };
}

/** A folder that is missing would look like a missing program. */
async function folderProblem(cwd: string): Promise<string | undefined> {
  try {
    if ((await stat(cwd)).isDirectory()) return undefined;
    return `the command could not be started: ${JSON.stringify(cwd)} is no folder`;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return `the command could not be started in the folder ${JSON.stringify(cwd)}: ${code === 'ENOENT' ? 'it does not exist' : code}`;
  }
}

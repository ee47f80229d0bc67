import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { runProgram } from '@filer/program';
import { commands as clientCommands } from '../../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../../apps/ip-server/src/cli/commands.ts';
import { jsonLines, type Line, type Outcome, type ProgramName } from './programs.ts';

/** Between two questions, in ms: what is asked must have some of the machine, too. */
const PAUSE_MS = 20;

/** Runs a command in this process. @param input what it reads on standard input */
export async function runHere(
  program: ProgramName,
  home: string,
  args: readonly string[],
  input = '',
): Promise<Outcome> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const printed = Promise.all([text(stdout), text(stderr)]);
  const isServer = program === 'ip-server';
  const code = await runProgram({
    program,
    version: '0.0.0',
    summary: 'in the process of a test',
    commands: isServer ? serverCommands : clientCommands,
    argv: args,
    env: { [isServer ? 'IP_SERVER_HOME' : 'FILER_HOME']: home },
    stdin,
    stdout,
    stderr,
  });
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { code, stdout: out, stderr: err };
}

/**
 * Runs a command with `--json` in this process: for what is asked until it fits, where a process for each question would take
 * all of the machine. It must succeed.
 *
 * @returns every line of standard output
 */
export async function askHere(
  program: ProgramName,
  home: string,
  args: readonly string[],
  input = '',
): Promise<Line[]> {
  const outcome = await runHere(program, home, [...args, '--json'], input);
  const { code, stdout, stderr } = outcome;
  if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}: ${stdout}\n${stderr}`);
  return jsonLines(outcome);
}

/** Asks until the answer fits; the test's own time-out ends it. */
export async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await wait(PAUSE_MS);
  }
}

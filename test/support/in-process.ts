import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { runProgram } from '@filer/program';
import { commands as clientCommands } from '../../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../../apps/ip-server/src/cli/commands.ts';
import { jsonLines, type Line, type ProgramName } from './programs.ts';

/** Between two questions, in ms: what is asked must have some of the machine, too. */
const PAUSE_MS = 20;

/**
 * Runs a command with `--json` in this process: for what is asked until it fits, where a process for each question would take
 * all of the machine. It must succeed.
 *
 * @returns every line of standard output
 */
export async function askHere(program: ProgramName, home: string, args: readonly string[]): Promise<Line[]> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const printed = Promise.all([text(stdout), text(stderr)]);
  const isServer = program === 'ip-server';
  const exitCode = await runProgram({
    program,
    version: '0.0.0',
    summary: 'in the process of a test',
    commands: isServer ? serverCommands : clientCommands,
    argv: [...args, '--json'],
    env: { [isServer ? 'IP_SERVER_HOME' : 'FILER_HOME']: home },
    stdin: new PassThrough(),
    stdout,
    stderr,
  });
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: exit ${exitCode}: ${out}\n${err}`);
  return jsonLines({ stdout: out });
}

/** Asks until the answer fits; the test's own time-out ends it. */
export async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await wait(PAUSE_MS);
  }
}

import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { command, runProgram, type Command, type Context, type ProgramOptions } from '@filer/program';
import type { CommandModule } from '../../packages/program/src/command.ts';
import type { Arguments, ArgumentValues } from '../../packages/program/src/arguments.ts';

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line inside this process, with streams of its own. */
export async function run(
  commands: readonly Command[],
  argv: readonly string[],
  options: Partial<ProgramOptions> = {},
): Promise<Ran> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const printed = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await runProgram({
    program: 'filer-client',
    version: '1.2.3',
    summary: 'a program under test',
    commands,
    argv,
    env: { FILER_HOME: '/nowhere' },
    stdin: new PassThrough(),
    stdout,
    stderr,
    ...options,
  });
  stdout.end();
  stderr.end();
  const [out, err] = await printed;
  return { exitCode, stdout: out, stderr: err };
}

/** A command whose work is written where the test is. */
export function commandOf<const A extends Arguments>(
  usage: string,
  args: A,
  work: (args: ArgumentValues<A>, context: Context) => Promise<number | void> | number | void,
): Command {
  const load = (): Promise<CommandModule<A>> =>
    Promise.resolve({ args, run: async (values, context) => work(values, context) });
  return command(usage, `do ${usage}`, load);
}

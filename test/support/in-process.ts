import { PassThrough } from 'node:stream';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { runProgram, type Environment } from '@filer/program';
import { commands as clientCommands } from '../../apps/filer-client/src/cli/commands.ts';
import { commands as serverCommands } from '../../apps/ip-server/src/cli/commands.ts';
import { Emulator } from './emulator.ts';
import { jsonLines, type Line, type Outcome, type ProgramName } from './programs.ts';

/** Between two questions, in ms: what is asked must have some of the machine, too. */
const PAUSE_MS = 20;

process.setMaxListeners(100); // each command listens for the process's signals and faults

/** Runs a command in this process. @param input what it reads on standard input @param isTTY whether a person types it */
export async function runHere(
  program: ProgramName,
  home: string,
  args: readonly string[],
  input = '',
  isTTY = false,
  more: Environment = {},
): Promise<Outcome> {
  const terminal = (): PassThrough => Object.assign(new PassThrough(), { isTTY });
  const [stdin, stdout, stderr] = [terminal(), terminal(), terminal()];
  stdin.end(input);
  const printed = Promise.all([text(stdout), text(stderr)]);
  const isServer = program === 'ip-server';
  const code = await runProgram({
    program,
    version: '0.0.0',
    summary: 'in the process of a test',
    commands: isServer ? serverCommands : clientCommands,
    argv: args,
    env: { IP_SERVER_HTTP_PORT: 'off', ...more, [isServer ? 'IP_SERVER_HOME' : 'FILER_HOME']: home },
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
 * Runs a command in this process as in a terminal.
 *
 * @param env beside the home of the program
 * @returns what it wrote to either output, line by line, and its exit code
 */
export async function runInTerminal(
  program: ProgramName,
  home: string,
  args: readonly string[],
  columns: number,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly lines: string[]; readonly words: string[] }> {
  const [out, err] = [new Emulator(columns, 40), new Emulator(columns, 40)];
  const isServer = program === 'ip-server';
  const code = await runProgram({
    program,
    version: '0.0.0',
    summary: 'in the process of a test',
    commands: isServer ? serverCommands : clientCommands,
    argv: args,
    env: { ...env, [isServer ? 'IP_SERVER_HOME' : 'FILER_HOME']: home },
    stdin: new PassThrough().end(),
    stdout: out.stream,
    stderr: err.stream,
  });
  return { code, lines: await out.logicalLines(), words: await err.logicalLines() };
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

/** A command that continues until it is ended, in this process: it ends when its output is not read any more. */
export class CommandHere implements AsyncDisposable {
  readonly #stdout = new PassThrough();
  readonly #lines: Line[] = [];
  readonly #code: Promise<number>;
  #arrived = Promise.withResolvers<void>();

  /** With `--json`. */
  constructor(program: ProgramName, home: string, args: readonly string[]) {
    const isServer = program === 'ip-server';
    const lines = createInterface({ input: this.#stdout });
    lines.on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    });
    lines.on('error', () => undefined); // the end of the test
    this.#code = runProgram({
      program,
      version: '0.0.0',
      summary: 'in the process of a test',
      commands: isServer ? serverCommands : clientCommands,
      argv: [...args, '--json'],
      env: { [isServer ? 'IP_SERVER_HOME' : 'FILER_HOME']: home },
      stdin: new PassThrough().end(),
      stdout: this.#stdout,
      stderr: new PassThrough().resume(),
    });
  }

  /** The next document that fits, past or to come; those before it are passed over. The test's own time-out ends it. */
  async shows(fits: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const line = this.#lines.shift();
      if (line === undefined) await this.#arrived.promise;
      else if (fits(line)) return line;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stdout.emit('error', Object.assign(new Error('closed'), { code: 'EPIPE' }));
    await this.#code;
  }
}

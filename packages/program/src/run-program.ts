import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FilerError, messageOf, systemCode } from '@filer/protocol';
import type { Environment } from './environment.ts';
import { joinedOutput, type JoinedOutput } from './joined-output.ts';

/** Variables of our own that a program gets which its owner named. */
const PASSED_ON = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'],
  'XDG_RUNTIME_DIR',
];

/** What a program said last comes within this time after its end, in ms. */
const LAST_WORDS_MS = 1_000;

/** Between the polite signal and the other one, in ms. */
const GRACE_MS = 5_000;

/** Meanwhile it is looked after this time whether the group is gone, in ms. */
const LOOK_MS = 20;

/** What one run may say into the log, in UTF-16 units. */
const MAX_SAID = 64 * 1024;

export interface ProgramRun {
  /** The program and its arguments; never through a shell. */
  readonly command: readonly string[];
  /** Absolute; it works there. */
  readonly cwd: string;
  /** All the variables that it gets. */
  readonly env: Readonly<Record<string, string>>;
  /** Then it is ended. */
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** What it reads on standard input; it need not. @default nothing */
  readonly input?: Iterable<string>;
  /** Gets what it writes to standard output and standard error, in the order in which it comes. */
  readonly onOutput: (text: string) => void;
}

/** How a program ended. */
export interface ProgramEnd {
  /** null when it was killed, or could not be started. */
  readonly exitCode: number | null;
  /** The signal that ended it. */
  readonly signal: string | null;
  /** Whether it was ended because it took too long. */
  readonly timedOut: boolean;
  readonly durationMs: number;
  /** Why it did not do its work, in words; undefined when it ended with exit 0. */
  readonly failure: string | undefined;
}

/**
 * Runs a program to its end, in a process group of its own that ends as a whole. What it leaves running is not waited
 * for. Never rejects for what the program does.
 */
export async function runToEnd(run: ProgramRun): Promise<ProgramEnd> {
  const { timeoutMs, signal, input = [], onOutput } = run;
  const joined = await joinedOutput();
  const startedAt = performance.now();
  let child: ChildProcess;
  try {
    child = start(run, joined);
  } catch (error) {
    // Too many arguments, for one.
    joined?.reader.destroy();
    return { exitCode: null, signal: null, failure: messageOf(error), timedOut: false, durationMs: 0 };
  } finally {
    if (joined !== undefined) closeSync(joined.writer);
  }
  const ended = endOf(child);
  let timedOut = false;
  let ending: Promise<void> | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    ending ??= endGroup(child);
  }, timeoutMs);
  const onAbort = (): void => void (ending ??= endGroup(child));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  // Where there is no descriptor left, a child has no streams.
  const outputs = [joined?.reader, child.stdout, child.stderr].filter(
    (each) => each !== undefined && each !== null,
  );
  const silent = Promise.all(outputs.map((output) => heard(output, onOutput)));
  const told = child.stdin ? tell(input, child.stdin) : undefined;
  const end = await ended;
  const durationMs = Math.round(performance.now() - startedAt);
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
  await ending;
  await Promise.race([silent, delay(LAST_WORDS_MS, undefined, { ref: false })]);
  for (const stream of [child.stdin, ...outputs]) stream?.destroy();
  await told;
  return { ...end, timedOut, durationMs };
}

/** @throws what Node says of arguments that it does not pass on */
function start({ command, cwd, env }: ProgramRun, joined: JoinedOutput | undefined): ChildProcess {
  const [program = '', ...args] = command;
  const output = joined?.writer ?? 'pipe';
  return spawn(program, args, { cwd, env, detached: true, stdio: ['pipe', output, output] });
}

/** Passes on what comes, until nothing more does. Never rejects: what can be read no further has ended. */
async function heard(output: Readable, onOutput: (text: string) => void): Promise<void> {
  output.setEncoding('utf8').on('data', onOutput);
  await finished(output, { writable: false }).catch(() => undefined);
}

/**
 * The program of a setting as it is started, whatever folder it works in.
 *
 * @param setting as a person knows it: `on-received`
 * @throws FilerError `configuration-invalid` when it is a path that cannot be run
 */
export function runnableProgram(setting: string, [program = '', ...args]: readonly string[]): string[] {
  if (!program.includes('/')) return [program, ...args];
  const path = resolve(program);
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new FilerError(
      'configuration-invalid',
      `${setting} cannot run ${path}: ${messageOf(error)}; name a program that this user may run`,
      { cause: error },
    );
  }
  return [path, ...args];
}

/** What a program gets of the variables of ours: those of everyday life, and the ones that are named. */
export function passedOn(environment: Environment, ...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    [...PASSED_ON, ...names].flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** Takes text as it comes and passes on its lines, up to 64 KiB: no log takes more of one program. */
export function linesSaid(line: (text: string) => void): (text: string) => void {
  let left = MAX_SAID;
  return (text) => {
    if (left <= 0) return;
    for (const each of text.slice(0, left).split('\n')) if (each.trim() !== '') line(each);
    left -= text.length;
    if (left <= 0) line('(what else it says is not logged)');
  };
}

async function endOf(child: ChildProcess): Promise<Pick<ProgramEnd, 'exitCode' | 'signal' | 'failure'>> {
  try {
    const [exitCode, signal] = (await once(child, 'exit')) as [number | null, string | null];
    const failure = exitCode === null ? `it was ended by ${signal}` : `it ended with exit ${exitCode}`;
    return { exitCode, signal, failure: exitCode === 0 ? undefined : failure };
  } catch (error) {
    return { exitCode: null, signal: null, failure: messageOf(error) }; // it could not be started
  }
}

/** Who does not read it needs not. */
async function tell(input: Iterable<string>, stdin: Writable): Promise<void> {
  try {
    await pipeline(Readable.from(input), stdin);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

/** Ends a whole process group, also where its leader goes at once and its children do not. */
async function endGroup({ pid }: ChildProcess): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGTERM');
  for (let waitedMs = 0; waitedMs < GRACE_MS; waitedMs += LOOK_MS) {
    await delay(LOOK_MS);
    if (!signalGroup(pid, 0)) return;
  }
  signalGroup(pid, 'SIGKILL');
}

/** @returns whether there was one */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    const code = systemCode(error);
    // What runs as somebody else (setuid) is not ours to end.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    return false;
  }
}

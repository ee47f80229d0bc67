import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FilerError, messageOf, systemCode } from '@filer/protocol';
import type { Environment, Logger } from '@filer/program';
import type { Arrival, ArrivalStore } from '../store/arrival-store.ts';

/** What a hook gets of the daemon's own variables. */
const PASSED_ON = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'],
  ...['XDG_RUNTIME_DIR', 'FILER_HOME'],
];

/** What one run of a hook may say, in UTF-16 units; the log does not take more. */
const MAX_SAID = 64 * 1024;

/** What a hook said last comes within this time, in ms. */
const LAST_WORDS_MS = 1_000;

/** Between the polite signal and the other one, in ms. */
const GRACE_MS = 5_000;

export interface ArrivalHookOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** Absolute; the hook works there. */
  readonly inbox: string;
  readonly environment: Environment;
  readonly arrivals: ArrivalStore;
  readonly log: Logger;
}

/**
 * Runs a program of this machine's owner for each transfer that came, one at a time. What waits stands in the database: it
 * outlasts the daemon. Never through a shell; what another machine chose is in variables and on standard input only.
 */
export class ArrivalHook {
  readonly #options: ArrivalHookOptions;
  readonly #program: string;
  #running: Promise<void> | undefined;
  #child: ChildProcess | undefined;
  #closing = false;
  #runs = 0;
  /** By sender, the number of its last run: one that brings thousands of transfers holds no other up. */
  readonly #turns = new Map<string, number>();

  /** @throws FilerError `configuration-invalid` when the program cannot be run */
  constructor(options: ArrivalHookOptions) {
    this.#options = options;
    const [program = ''] = options.command;
    this.#program = program.includes('/') ? resolve(program) : program;
    if (program.includes('/')) checkRunnable(this.#program);
  }

  /** Something may be waiting. */
  wake(): void {
    if (this.#closing) return;
    this.#running ??= this.#runAll().finally(() => (this.#running = undefined));
  }

  /** Ends what runs; it is run again after the next start. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#end();
    await this.#running;
  }

  /** Never rejects: a hook that fails takes nothing back. */
  async #runAll(): Promise<void> {
    const { arrivals, log } = this.#options;
    try {
      const next = (): Arrival | undefined => arrivals.nextUntold((from) => this.#turns.get(from) ?? 0);
      for (let arrival = next(); arrival !== undefined; arrival = next()) {
        this.#turns.set(arrival.from, ++this.#runs);
        await this.#run(arrival);
        if (this.#closing) return;
        arrivals.told(arrival);
      }
    } catch (error) {
      log.error('on-received could not be run', { error });
    }
  }

  async #run(arrival: Arrival): Promise<void> {
    const { command, inbox, timeoutMs, log } = this.#options;
    const facts = { from: arrival.fromName, job: arrival.job, files: arrival.files };
    const child = spawn(this.#program, command.slice(1), {
      cwd: inbox,
      env: this.#environmentFor(arrival),
      detached: true, // a process group of its own, that ends as a whole
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const ended = endOf(child);
    const silent = once(child, 'close').catch(() => undefined); // told by `ended`
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.#end();
    }, timeoutMs);
    const say = bounded((line) => log.info('on-received says', { job: arrival.job, line }));
    child.stdout.setEncoding('utf8').on('data', say);
    child.stderr.setEncoding('utf8').on('data', say);
    const told = this.#tell(arrival, child.stdin);
    const failure = await ended;
    clearTimeout(timer);
    // What it said last is still on its way; what it left running is not waited for.
    await Promise.race([silent, delay(LAST_WORDS_MS, undefined, { ref: false })]);
    this.#child = undefined;
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    await told;
    if (this.#closing) log.warn('on-received was ended with the daemon, and is run again', facts);
    else if (timedOut) log.error('on-received was ended: it took too long', { ...facts, timeoutMs });
    else if (failure !== undefined) log.error('on-received failed', { ...facts, reason: failure });
    else log.info('on-received was run', facts);
  }

  /** The list of files: one JSON object a line. Who does not read it needs not. */
  async #tell(arrival: Arrival, stdin: Writable): Promise<void> {
    const files = this.#options.arrivals.filesOf(arrival);
    const lines = function* (): Generator<string> {
      for (const file of files) yield `${JSON.stringify(file)}\n`;
    };
    try {
      await pipeline(Readable.from(lines()), stdin);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  #environmentFor({ from, fromName, job, folder, note, files, bytes }: Arrival): Record<string, string> {
    const { environment, inbox } = this.#options;
    const own = PASSED_ON.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return {
      ...Object.fromEntries(own),
      FILER_FROM: fromName,
      FILER_FROM_ID: from,
      FILER_JOB: job,
      FILER_FILES: String(files),
      FILER_BYTES: String(bytes),
      FILER_FOLDER: join(inbox, folder),
      // The one text of another machine: a variable cannot hold a NUL.
      FILER_NOTE: note.replaceAll('\0', '\u{FFFD}'),
    };
  }

  #end(): void {
    const child = this.#child;
    if (child === undefined) return;
    signalGroup(child, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    child.once('exit', () => clearTimeout(timer));
  }
}

function checkRunnable(program: string): void {
  try {
    accessSync(program, constants.X_OK);
  } catch (error) {
    throw new FilerError(
      'configuration-invalid',
      `on-received cannot run ${program}: ${messageOf(error)}; name a program that this user may run`,
      { cause: error },
    );
  }
}

/** @returns why it failed, or undefined */
async function endOf(child: ChildProcess): Promise<string | undefined> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return code === 0
      ? undefined
      : code === null
        ? `it was ended by ${signal}`
        : `it ended with exit ${code}`;
  } catch (error) {
    return messageOf(error); // it could not be started
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error; // gone already
  }
}

/** Takes text as it comes and passes on its lines, up to a bound. */
function bounded(line: (text: string) => void): (text: string) => void {
  let left = MAX_SAID;
  return (text) => {
    if (left <= 0) return;
    for (const each of text.slice(0, left).split('\n')) if (each.trim() !== '') line(each);
    left -= text.length;
    if (left <= 0) line('(what else it says is not logged)');
  };
}

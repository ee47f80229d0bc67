import { join } from 'node:path';
import {
  linesSaid,
  passedOn,
  runnableProgram,
  runToEnd,
  type Environment,
  type Logger,
} from '@filer/program';
import type { Arrival, ArrivalStore } from '../store/arrival-store.ts';

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
  readonly #command: readonly string[];
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #runs = 0;
  /** By sender, the number of its last run: one that brings thousands of transfers holds no other up. */
  readonly #turns = new Map<string, number>();

  /** @throws FilerError `configuration-invalid` when the program cannot be run */
  constructor(options: ArrivalHookOptions) {
    this.#options = options;
    this.#command = runnableProgram('on-received', options.command);
  }

  /** Something may be waiting. */
  wake(): void {
    if (this.#closing.signal.aborted) return;
    this.#running ??= this.#runAll().finally(() => (this.#running = undefined));
  }

  /** Ends what runs; it is run again after the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
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
        if (this.#closing.signal.aborted) return;
        arrivals.told(arrival);
      }
    } catch (error) {
      log.error('on-received could not be run', { error });
    }
  }

  async #run(arrival: Arrival): Promise<void> {
    const { arrivals, inbox, timeoutMs, log } = this.#options;
    const facts = { from: arrival.fromName, job: arrival.job, files: arrival.files };
    // The list of files: one JSON object a line.
    const input = function* (): Generator<string> {
      for (const file of arrivals.filesOf(arrival)) yield `${JSON.stringify(file)}\n`;
    };
    const { signal } = this.#closing;
    const { failure, timedOut } = await runToEnd({
      command: this.#command,
      cwd: inbox,
      env: this.#environmentFor(arrival),
      timeoutMs,
      signal,
      input: input(),
      onOutput: linesSaid((line) => log.info('on-received says', { job: arrival.job, line })),
    });
    if (signal.aborted) log.warn('on-received was ended with the daemon, and is run again', facts);
    else if (timedOut) log.error('on-received was ended: it took too long', { ...facts, timeoutMs });
    else if (failure !== undefined) log.error('on-received failed', { ...facts, reason: failure });
    else log.info('on-received was run', facts);
  }

  #environmentFor({ from, fromName, job, folder, note, files, bytes }: Arrival): Record<string, string> {
    const { environment, inbox } = this.#options;
    return {
      ...passedOn(environment, 'FILER_HOME'),
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
}

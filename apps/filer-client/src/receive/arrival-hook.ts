import { join } from 'node:path';
import {
  linesSaid,
  passedOn,
  runnableProgram,
  runToEnd,
  type Environment,
  type Logger,
} from '@filer/program';
import { MAX_HOOK_LINE_CHARS, type StageHook } from '@filer/protocol';
import type { Arrival, ArrivalStore } from '../store/arrival-store.ts';
import type { KeptStage } from '../store/stage-rows.ts';
import type { StageStore } from '../store/stage-store.ts';

export interface ArrivalHookOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** Absolute; the hook works there. */
  readonly inbox: string;
  readonly environment: Environment;
  readonly arrivals: ArrivalStore;
  readonly stages: StageStore;
  readonly log: Logger;
}

type About = Omit<Arrival, 'afterRow' | 'lastRow'>;

/**
 * Runs a program of this machine's owner for each transfer that came, each release and each rollback, one at a time. What waits
 * stands in the database: it outlasts the daemon. Never through a shell; what another machine chose is in variables and on standard input only.
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
    const { log } = this.#options;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#turns.set(next.from, ++this.#runs);
        const note = await next.run();
        if (this.#closing.signal.aborted) return;
        note();
      }
    } catch (error) {
      log.error('on-received could not be run', { error });
    }
  }

  /** By turns of the senders: one that releases and rolls back without an end holds no other up either. */
  #next(): { readonly from: string; readonly run: () => Promise<() => void> } | undefined {
    const { arrivals, stages } = this.#options;
    const turnOf = (sender: string): number => this.#turns.get(sender) ?? 0;
    const stage = stages.nextHook(turnOf);
    const arrival = arrivals.nextUntold(turnOf);
    // Of equal turns the stage's: its sender waits for it before it releases anything anywhere else.
    if (stage !== undefined && (arrival === undefined || turnOf(stage.sender) <= turnOf(arrival.from)))
      return {
        from: stage.sender,
        run: async () => {
          const hook = await this.#runForStage(stage);
          return () => stages.hookEnded(stage, hook);
        },
      };
    if (arrival === undefined) return undefined;
    return {
      from: arrival.from,
      run: async () => {
        await this.#runFor(arrival, {}, arrivals.filesOf(arrival));
        return () => arrivals.told(arrival);
      },
    };
  }

  /** @returns how it went, as its sender is told */
  async #runForStage(stage: KeptStage): Promise<StageHook> {
    const { inbox, stages } = this.#options;
    const { id, sender: from, senderName: fromName, job, folder, note, files, bytes } = stage;
    const step = stage.state === 'rolled-back' ? 'rollback' : 'release';
    const input = function* (): Generator<object> {
      for (const { path: name, ...file } of stages.files.listed(id))
        yield { path: join(inbox, folder, name), name, ...file };
    };
    const about = { from, fromName, job, folder, note, files, bytes };
    const { exitCode, failure, line } = await this.#runFor(about, { FILER_STEP: step }, input());
    return { state: failure === undefined ? 'done' : 'failed', exitCode, line: line || (failure ?? '') };
  }

  /** @param files that are told, one JSON object a line */
  async #runFor(
    arrival: About,
    more: Record<string, string>,
    files: Iterable<object>,
  ): Promise<{ exitCode: number | null; failure: string | undefined; line: string }> {
    const { inbox, timeoutMs, log } = this.#options;
    const facts = { from: arrival.fromName, job: arrival.job, files: arrival.files };
    const input = function* (): Generator<string> {
      for (const file of files) yield `${JSON.stringify(file)}\n`;
    };
    const { signal } = this.#closing;
    let last = '';
    const { failure, timedOut, exitCode } = await runToEnd({
      command: this.#command,
      cwd: inbox,
      env: { ...this.#environmentFor(arrival), ...more },
      timeoutMs,
      signal,
      input: input(),
      onOutput: linesSaid((line) => {
        last = line.trim().slice(0, MAX_HOOK_LINE_CHARS).toWellFormed();
        log.info('on-received says', { job: arrival.job, line });
      }),
    });
    if (signal.aborted) log.warn('on-received was ended with the daemon, and is run again', facts);
    else if (timedOut) log.error('on-received was ended: it took too long', { ...facts, timeoutMs });
    else if (failure !== undefined) log.error('on-received failed', { ...facts, reason: failure });
    else log.info('on-received was run', facts);
    const why = timedOut ? `it was ended after ${timeoutMs} ms` : failure;
    return { exitCode, failure: why, line: last };
  }

  #environmentFor({ from, fromName, job, folder, note, files, bytes }: About): Record<string, string> {
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

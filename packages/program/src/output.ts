import { aborted, messageOf, stackOf, systemCode } from '@filer/protocol';
import { CalledName } from './called-name.ts';
import { describeFailure } from './failure.ts';
import { printable, printableJson, printableLayout } from './printable.ts';
import { foldSentences } from './terminal/fold-sentences.ts';

/** What `Output` needs of a stream; `process.stdout` and a `PassThrough` have it. */
export type OutputStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly writableLength?: number;
};

export interface OutputOptions {
  /** What a person types for the program: a line on standard error begins with it, and commands in our words do. */
  readonly calledAs: string;
  /** Its full name. @default calledAs */
  readonly program?: string;
  /** Standard output carries JSON only. */
  readonly json: boolean;
  /** Standard error carries failures and warnings only. */
  readonly quiet: boolean;
  /** Failures come with their stack. */
  readonly verbose: boolean;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** The folder of this user; absent where it is not known. */
  readonly userFolder?: string | undefined;
}

/** A reader that stands still does not keep a program from ending, in ms. */
const READER_WAIT_MS = 2_000;

/** Columns of a terminal that does not say how many it has. */
const DEFAULT_COLUMNS = 80;

/**
 * Data on standard output, words for people on standard error. A command says both forms of its data
 * (`json` and `line`), and the one that was asked for is printed. Everything is escaped on its way out.
 */
export class Output {
  readonly jsonMode: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly #calledAs: string;
  readonly #name: CalledName;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #userFolder: string | undefined;
  readonly #closed = new AbortController();

  constructor({
    calledAs,
    program = calledAs,
    json,
    quiet,
    verbose,
    stdout,
    stderr,
    userFolder,
  }: OutputOptions) {
    this.jsonMode = json;
    this.quiet = quiet;
    this.verbose = verbose;
    this.#calledAs = calledAs;
    this.#name = new CalledName(program, calledAs);
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#userFolder = userFolder;
    stdout.on('error', this.#onStdoutError);
    stderr.on('error', ignore);
  }

  /** Aborted once the reader of standard output has closed it (`filer-client peers | head -1`). */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Whether words go to a terminal: only then are there progress bars and hints. */
  get isTerminal(): boolean {
    return this.#stderr.isTTY === true;
  }

  /** Whether data goes to a terminal: only then is it laid out to fit. */
  get dataIsForTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** Columns to fit data into; without a terminal there is no limit. */
  get columns(): number {
    if (!this.dataIsForTerminal) return Number.POSITIVE_INFINITY;
    const { columns } = this.#stdout;
    // A terminal that was never told its size says 0.
    return columns === undefined || columns === 0 ? DEFAULT_COLUMNS : columns;
  }

  /**
   * A path of this machine as a cell, or once it is escaped a part of a line: `~/…` below the folder of this user. For
   * programs, where data does not go to a terminal, it stays whole.
   */
  path(path: string): string {
    const folder = this.#userFolder;
    if (!this.dataIsForTerminal || folder === undefined || !/^\/[^/]/.test(folder)) return path;
    if (path === folder) return '~';
    return path.startsWith(`${folder}/`) ? `~${path.slice(folder.length)}` : path;
  }

  /** The raw stream of words, for a progress bar. */
  get stderr(): OutputStream {
    return this.#stderr;
  }

  /** Data for people, on standard output; nothing under `--json`. Line breaks and styles in it are ours. */
  line(text = ''): void {
    this.quote(this.#name.inData(text));
  }

  /** Our own words, where a command writes them by itself. */
  named(text: string): string {
    return this.#name.inWords(text);
  }

  /** The same for what somebody else wrote: its words stay as they are. */
  quote(text: string): void {
    const shown = printableLayout(text);
    if (!this.jsonMode) this.#write(`${foldSentences(shown, this.columns)}\n`);
  }

  /** Data for programs: one JSON document on one line of standard output; nothing without `--json`. */
  json(value: unknown): void {
    if (this.jsonMode) this.#write(`${printableJson(value)}\n`);
  }

  /** Words for people, on standard error; nothing under `--quiet`. */
  words(text: string): void {
    if (!this.quiet) this.#stderr.write(`${this.#forStderr(printableLayout(text))}\n`);
  }

  /** What a person is asked, and why: shown even under `--quiet`. */
  asked(text: string, end: ' ' | '\n'): void {
    this.#stderr.write(`${this.#forStderr(printableLayout(text))}${end}`);
  }

  /** What to type next: words that only help somebody who sits at a terminal. */
  hint(text: string): void {
    if (this.isTerminal && !this.jsonMode) this.words(text);
  }

  /** One line that is worth reading even under `--quiet`. */
  warn(message: string): void {
    this.#stderr.write(`${this.#forStderr(`${this.#calledAs}: ${printable(message)}`)}\n`);
  }

  /**
   * Says why a command failed: one line on standard error, and under `--json` the last object on standard
   * output.
   *
   * @returns the exit code
   */
  fail(error: unknown): number {
    const { code, exitCode, message } = describeFailure(error);
    this.warn(message);
    if (this.verbose) this.#stderr.write(`${printableLayout(stacksOf(error))}\n`);
    this.json({ type: 'error', code, message, exitCode });
    return exitCode;
  }

  /**
   * Resolves when all that was printed has left this process, or no one reads it any more: a pipe takes 64 KiB, and
   * what waits behind that is lost when the process ends.
   *
   * @param signal a program that is told to end waits at most 2 s longer for a reader that stands still; for one
   *   of words it never waits longer
   */
  async drain(signal: AbortSignal): Promise<void> {
    const data = drained(this.#stdout);
    const readerGone = aborted(this.#closed.signal);
    const told = aborted(signal).then(() => pause());
    await Promise.all([
      Promise.race([data, readerGone, told]),
      Promise.race([drained(this.#stderr), pause()]),
    ]);
  }

  /** Takes the listeners off the streams again. */
  release(): void {
    this.#stdout.off('error', this.#onStdoutError);
    this.#stderr.off('error', ignore);
  }

  readonly #onStdoutError = (error: Error): void => {
    if (systemCode(error) !== 'EPIPE') this.warn(`cannot write to standard output: ${error.message}`);
    this.#closed.abort(error);
  };

  #forStderr(text: string): string {
    const named = this.#name.inWords(text);
    return this.isTerminal ? foldSentences(named, this.#stderr.columns || DEFAULT_COLUMNS) : named;
  }

  #write(text: string): void {
    if (!this.#closed.signal.aborted) this.#stdout.write(text);
  }
}

async function drained(stream: OutputStream): Promise<void> {
  if ((stream.writableLength ?? 0) === 0) return;
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, READER_WAIT_MS).unref());
}

/** Standard error is gone: there is no one left to tell. */
function ignore(): void {}

function stacksOf(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error; at !== undefined && lines.length < 8;) {
    lines.push(stackOf(at) ?? messageOf(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return lines.join('\ncaused by: ');
}

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Examples on the sources of the library, as the tests themselves take it. */
const ON_SOURCES = ['--import', path('../fixtures/sources.ts')];

/** A program at work, with what it has printed so far. */
export class Example {
  readonly child: ChildProcessWithoutNullStreams;
  /** How it ended: its exit code, or the signal that killed it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  stdout = '';
  stderr = '';
  #over = false;
  readonly #waiting = new Set<() => void>();

  constructor(command: string, args: readonly string[], cwd?: string) {
    this.child = spawn(command, args, { cwd });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.stdin.on('error', () => undefined); // a program that has ended reads nothing
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.child, 'close').then(() => {
      this.#over = true;
      this.#wake();
      return this.child.exitCode ?? this.child.signalCode;
    });
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** The end of its input: what Ctrl-D makes of a terminal's. */
  endInput(): void {
    this.child.stdin.end();
  }

  /** The first thing on standard output, past or to come, that fits. @throws Error when it ends without */
  async said(words: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = words.exec(this.stdout);
      if (found !== null) return found;
      if (this.#over) throw new Error(`it ended without ${words}:\n${this.stdout}\n${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** The port of `listening on HOST:PORT`. */
  async port(): Promise<string> {
    return (await this.said(/^listening on 127\.0\.0\.1:(\d+)$/m))[1] ?? '';
  }

  /** Ends it as Ctrl-C does. */
  async interrupt(): Promise<number | NodeJS.Signals | null> {
    this.child.kill('SIGINT');
    return this.ended;
  }

  #wake(): void {
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }
}

/** Starts an example of `examples/`. */
export function start(name: string, ...args: string[]): Example {
  return new Example(process.execPath, [...ON_SOURCES, path(`../../examples/${name}.ts`), ...args]);
}

/** Runs one to its end. @throws Error unless it ends with 0 and without a word of error */
export async function run(input: string, name: string, ...args: string[]): Promise<string> {
  const example = start(name, ...args);
  example.type(input);
  example.endInput();
  const code = await example.ended;
  if (code === 0 && example.stderr === '') return example.stdout;
  throw new Error(`${name} ended with ${code}: ${example.stderr}`);
}

/** The command line that runs an example in a pseudo-terminal of Python's. */
export function inTerminal(name: string, ...args: string[]): Example {
  const argv = [process.execPath, ...ON_SOURCES, path(`../../examples/${name}.ts`), ...args];
  const script = `import os, pty, sys; status = pty.spawn(sys.argv[1:]); sys.exit(os.waitstatus_to_exitcode(status))`;
  return new Example('python3', ['-c', script, ...argv]);
}

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';

/** Runs its arguments in a pseudo-terminal of its own and passes everything through. */
const PTY = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

/** A program in a pseudo-terminal: typed into and read as a person does. Needs python3. */
export class Terminal {
  readonly #child: ChildProcessWithoutNullStreams;
  #shown = '';
  #wake: (() => void) | undefined;
  readonly #ended: Promise<unknown[]>;

  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn('python3', ['-c', PTY, ...command], {
      env: { ...process.env, TERM: 'xterm', ...env },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text;
      this.#wake?.();
    });
    this.#child.stdin.on('error', () => undefined); // it may end before what was typed was read
    this.#ended = once(this.#child, 'close');
    void this.#ended.then(() => this.#wake?.());
  }

  /** All that was shown so far, escape sequences included. */
  get shown(): string {
    return this.#shown;
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Resolves when the words are shown after those of the last call; later calls look behind them. */
  async shows(words: string): Promise<void> {
    for (;;) {
      const at = this.#shown.indexOf(words, this.#seen);
      if (at >= 0) {
        this.#seen = at + words.length;
        return;
      }
      if (this.#child.exitCode !== null)
        throw new Error(`ended without ${JSON.stringify(words)}: ${this.#shown}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #seen = 0;

  /** @returns the exit code */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

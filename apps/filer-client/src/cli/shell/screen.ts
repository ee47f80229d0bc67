import { addAbortListener } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { printable, terminalInUse, type Context, type OutputStream } from '@filer/program';

/** Lines that Up brings back, from this and earlier shells. */
const HISTORY_LINES = 500;

/** Lines that are held while a command has the terminal; the oldest give way. */
const MAX_HELD = 1_000;

/** A terminal, or a pipe, in which lines are typed at the bottom while others appear above them. */
export class Screen {
  readonly #lines: Interface;
  readonly #out: OutputStream;
  readonly #isTerminal: boolean;
  /** Under `--json` what is shown goes out as objects, one a line. */
  readonly #json: ((value: unknown) => void) | undefined;
  readonly #typed: string[] = [];
  #wake = (): void => undefined;
  #closed = false;
  #asking = false;
  /** What came while a command has the terminal. */
  readonly #held: string[] = [];
  #isBusy = false;
  #isRaw = false;

  /** @param historyFile where typed lines are kept @param complete gives candidates for what was typed so far */
  constructor(
    context: Pick<Context, 'stdin' | 'stdout' | 'output'>,
    historyFile: string,
    prompt: string,
    complete: (line: string) => Promise<[string[], string]>,
  ) {
    const { stdin, stdout, output } = context;
    this.#json = output.jsonMode ? (value) => output.json(value) : undefined;
    this.#out = stdout;
    this.#isTerminal = 'isTTY' in stdin && stdin.isTTY === true && stdout.isTTY === true && !output.jsonMode;
    this.#lines = createInterface({
      input: stdin,
      output: this.#isTerminal ? stdout : undefined,
      terminal: this.#isTerminal,
      prompt,
      completer: (line: string, done: Completed) => void completed(line, complete, done),
      history: this.#isTerminal ? readHistory(historyFile) : [],
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
    });
    this.#lines.on('line', (line) => {
      this.#typed.push(line);
      this.#wake();
      if (this.#isTerminal && line.trim() !== '') remember(historyFile, line);
    });
    this.#lines.on('close', () => {
      this.#closed = true;
      this.#wake();
      // What comes after us must not stand behind the prompt.
      if (this.#isTerminal && this.#asking) stdout.write('\n');
    });
  }

  /** What stands before the line that is typed, from the next time it is drawn. */
  setPrompt(prompt: string): void {
    this.#lines.setPrompt(prompt);
    if (this.#isTerminal && this.#asking && !this.#closed) this.#lines.prompt(true);
  }

  /** Whether lines are typed and shown on a terminal. */
  get isTerminal(): boolean {
    return this.#isTerminal;
  }

  /** Leaves the terminal to a command for as long as `work` takes. */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      this.#isRaw = false;
      for (const text of this.#held.splice(0)) this.show(text);
    }
  }

  /**
   * Shows what has come: above the typed line or a question, above the bars of a command that runs, between its lines; or when
   * it is through, where it draws over all of the terminal or writes what is no lines.
   */
  tell(text: string): void {
    const use = this.#isBusy && this.#isTerminal ? terminalInUse() : undefined;
    if (use?.say !== undefined) use.say(printable(text));
    else if (use === undefined && !this.#isRaw) this.show(text);
    else if (this.#held.push(text) > MAX_HELD) this.#held.shift();
  }

  /** The command that runs writes bytes that are no lines: nothing is shown between them. */
  lendRaw(): void {
    this.#isRaw = true;
  }

  /** Asks for one line. @throws the reason of `signal` */
  async ask(question: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    this.#asking = true;
    const answer = new Promise<string>((resolve, reject) => {
      const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
      signal.addEventListener('abort', stop, { once: true });
      this.#lines.once('close', () => resolve(''));
      this.#lines.question(question, { signal }, (answer) => {
        signal.removeEventListener('abort', stop);
        resolve(answer);
      });
    });
    return await answer.finally(() => (this.#asking = false));
  }

  /** Called when Ctrl-C is pressed on a terminal. */
  onInterrupt(listener: () => void): void {
    this.#lines.on('SIGINT', listener);
  }

  /** Empties what is typed: Ctrl-C at the prompt. @returns whether anything was typed */
  clearTyped(): boolean {
    const typed = this.#lines.line.length > 0;
    if (typed) this.#lines.write(null, { ctrl: true, name: 'u' });
    return typed;
  }

  /** Typed lines until Ctrl-D or the end of a pipe; the next is asked for when the last was dealt with. */
  async *typed(signal: AbortSignal): AsyncGenerator<string, void, void> {
    using _listener = addAbortListener(signal, () => this.#lines.close());
    for (;;) {
      const line = this.#typed.shift();
      if (line !== undefined) {
        this.#asking = false;
        yield line;
      } else if (this.#closed) return;
      else {
        this.#asking = true;
        if (this.#isTerminal) this.#lines.prompt();
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }

  /** Shows a line above the one that is being typed, which stays as it is. */
  show(text: string): void {
    if (this.#json !== undefined) {
      this.#json({ type: 'line', text });
      return;
    }
    const safe = text.split('\n').map(printable).join('\n');
    if (!this.#isTerminal || this.#closed || !this.#asking) {
      this.#out.write(`${safe}\n`);
      return;
    }
    // To the beginning of the typed line (which may be folded), clear from there on, write, draw it again.
    const { rows } = this.#lines.getCursorPos();
    this.#out.write(`${rows > 0 ? `\u001B[${rows}A` : ''}\r\u001B[J${safe}\n`);
    this.#lines.prompt(true);
  }

  close(): void {
    if (!this.#closed) this.#lines.close();
  }
}

function readHistory(file: string): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    return [...new Set(lines.toReversed())].slice(0, HISTORY_LINES);
  } catch {
    return []; // the first shell of this home, or one that may not read it
  }
}

function remember(file: string, line: string): void {
  try {
    appendFileSync(file, `${line}\n`, { mode: 0o600 });
  } catch {
    // A full disk costs the history, not the shell.
  }
}

type Completed = (error: null, found: [string[], string]) => void;

/** Never rejects: what cannot be looked up is not offered. */
async function completed(
  line: string,
  complete: (line: string) => Promise<[string[], string]>,
  done: Completed,
): Promise<void> {
  let found: [string[], string] = [[], line];
  try {
    found = await complete(line);
  } catch {
    // Such as names of a home that is damaged: commands say so.
  }
  done(null, found);
}

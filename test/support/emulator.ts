import { PassThrough } from 'node:stream';
import { WriteStream } from 'node:tty';
import xterm from '@xterm/headless';

/** A terminal that shows what is written to it, as a person sees it: it folds, overwrites and scrolls as xterm.js does. */
export class Emulator {
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  /** What a program takes for its standard output or error. */
  readonly stream: PassThrough & { isTTY: true; columns: number; rows: number };
  #written = Promise.resolve();
  /** All that was written. */
  raw = '';

  constructor(columns: number, rows = 24) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
    const getColorDepth = (): number => WriteStream.prototype.getColorDepth();
    this.stream = Object.assign(new PassThrough(), { isTTY: true as const, columns, rows, getColorDepth });
    this.stream.setEncoding('utf8').on('data', (text: string) => {
      this.raw += text;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#written = promise;
      this.#terminal.write(text, resolve);
    });
  }

  /** Resolves when what was written before is laid out again, and the program was told. */
  async resize(columns: number, rows = this.stream.rows): Promise<void> {
    await this.#settled();
    this.#terminal.resize(columns, rows);
    Object.assign(this.stream, { columns, rows });
    this.stream.emit('resize');
  }

  /** Every line, those that were scrolled away included, without the empty ones at the end. */
  async lines(): Promise<string[]> {
    return (await this.#rows()).map(({ text }) => text);
  }

  /** Lines as they were written: those that the terminal folded are joined again. */
  async logicalLines(): Promise<string[]> {
    const lines: string[] = [];
    for (const { text, isContinued } of await this.#rows())
      if (isContinued) lines.push((lines.pop() ?? '') + text);
      else lines.push(text);
    return lines;
  }

  async #settled(): Promise<void> {
    // What was written is handed on in a later turn.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    await this.#written;
  }

  async #rows(): Promise<{ text: string; isContinued: boolean }[]> {
    await this.#settled();
    const { active } = this.#terminal.buffer;
    const rows = Array.from({ length: active.length }, (_, index) => {
      const line = active.getLine(index);
      return { text: line?.translateToString(true) ?? '', isContinued: line?.isWrapped ?? false };
    });
    while (rows.at(-1)?.text === '') rows.pop();
    return rows;
  }
}

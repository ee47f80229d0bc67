import { printable } from '../printable.ts';
import type { Output } from '../output.ts';
import { countWords } from './progress-layout.ts';
import type { ProgressDisplay } from './progress-display.ts';
import { amountWords, type ProgressAmounts, type ProgressRow, type ProgressState } from './progress-row.ts';
import { ProgressRows } from './progress-rows.ts';

const LINES_EVERY_MS = 10_000;

/** Of more than so many there is one line for all of them. */
const MOST_LINES = 8;

/** Where nothing can be drawn, such as in a build's log: a line tells now and then how far it is. */
export class ProgressLines implements ProgressDisplay {
  readonly isDrawn = false;
  readonly #output: Output;
  readonly #rows = new ProgressRows();
  readonly #timer: NodeJS.Timeout;

  constructor(output: Output) {
    this.#output = output;
    this.#timer = setInterval(() => this.#tell(), LINES_EVERY_MS).unref();
  }

  expect(names: readonly string[]): void {
    this.#rows.expect(names);
  }

  show(name: string, amounts: ProgressAmounts, moved: number): void {
    this.#rows.show(name, amounts, moved);
  }

  mark(name: string, state: ProgressState): void {
    this.#rows.mark(name, state);
  }

  say(line: string): void {
    this.#output.words(line);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tell(): void {
    const [all, now] = [this.#rows.all, performance.now()];
    if (all.length > MOST_LINES) this.#output.words(sumLine(all, now));
    else for (const row of all) if (!row.isOver) this.#output.words(rowLine(row, now));
  }
}

function rowLine(row: ProgressRow, now: number): string {
  const { percent, bytes, files, rate, status } = row.words(now);
  const parts = bytes === '' ? [status] : [percent, bytes, files, rate, status];
  return `${printable(row.name)}: ${parts.filter((part) => part !== '').join('  ')}`;
}

/** `100 machines (41 done, 16 running, …): 45%  1.2 GB of 3.4 GB  12 MB/s  ETA 3m` */
function sumLine(rows: readonly ProgressRow[], now: number): string {
  const sum = (key: 'bytesDone' | 'bytesTotal' | 'filesDone' | 'filesTotal'): number =>
    rows.reduce((total, { amounts }) => total + amounts[key], 0);
  const amounts = {
    bytesDone: sum('bytesDone'),
    bytesTotal: sum('bytesTotal'),
    filesDone: sum('filesDone'),
    filesTotal: sum('filesTotal'),
    complete: rows.every((row) => row.isOver || row.amounts.complete),
  };
  const rate = rows.reduce((total, row) => total + row.rate(now), 0);
  const { bytes, files, rate: speed, eta } = amountWords(amounts, rate);
  const parts = [bytes, files, speed, eta].filter((part) => part !== '');
  return `${rows.length} in all (${countWords(rows)}): ${parts.join('  ')}`;
}

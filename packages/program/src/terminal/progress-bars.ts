import { styleText } from 'node:util';
import cliProgress from 'cli-progress';
import type { Environment } from '../environment.ts';
import { HeldTerminal } from './held-terminal.ts';
import type { Output } from '../output.ts';
import { printableLayout } from '../printable.ts';
import { DO_NOT_FOLD, FOLD, FrameWriter, plainLine, type FrameLine } from './frame-writer.ts';
import {
  layOutProgress,
  mostUrgent,
  restLine,
  type ColumnWidths,
  type ProgressLine,
} from './progress-layout.ts';
import type { ProgressDisplay } from './progress-display.ts';
import type { ProgressAmounts, ProgressState } from './progress-row.ts';
import { ProgressRows } from './progress-rows.ts';
import { widthOf } from './text-width.ts';

/** Of a terminal that does not say its size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

const FRAME_EVERY_MS = 125;

/**
 * After a change of size nothing is drawn for so long, in ms: while a window is dragged, what a program knows of its size is old
 * (tmux tells it after 250 ms), and lines that are drawn for an old size stay behind when it changes again.
 */
const STILL_FOR_MS = 300;

/** No cursor, and no line is folded while the terminal gets narrower. */
const TAKE = `\u001B[?25l${DO_NOT_FOLD}`;
const GIVE_BACK = `${FOLD}\u001B[?25h`;

/** Colours of states; each is told in words, too. */
const COLOURS = {
  connecting: 'gray',
  running: 'cyan',
  asked: 'yellow',
  queued: 'gray',
  lost: 'yellow',
  stalled: 'yellow',
  done: 'green',
  failed: 'red',
} as const;

/** On a terminal: a line with a bar for each, as many as there is room for. */
export class ProgressBars implements ProgressDisplay {
  readonly isDrawn = true;
  readonly #output: Output;
  readonly #frame: FrameWriter;
  readonly #rows = new ProgressRows();
  readonly #widths: ColumnWidths = new Map();
  #terminal: HeldTerminal | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;
  #resizedAt = Number.NEGATIVE_INFINITY;
  /** Words that are to stand above the lines. */
  #said: string[] = [];
  #isStopped = false;

  constructor(output: Output, env: Environment) {
    this.#output = output;
    // xterm and GNU screen cut lines where others fold them.
    const folds = env['XTERM_VERSION'] === undefined && env['STY'] === undefined;
    this.#frame = new FrameWriter(output.stderr, folds);
  }

  expect(names: readonly string[]): void {
    this.#rows.expect(names);
    this.#begin();
  }

  show(name: string, amounts: ProgressAmounts, moved: number): void {
    this.#rows.show(name, amounts, moved);
    this.#begin();
  }

  mark(name: string, state: ProgressState): void {
    this.#rows.mark(name, state);
  }

  say(line: string): void {
    if (!this.#isHeld) return this.#output.words(line);
    this.#said.push(printableLayout(line));
    this.#redraw();
  }

  stop(): void {
    this.#isStopped = true;
    this.#terminal?.[Symbol.dispose]();
  }

  #begin(): void {
    if (!this.#isStopped)
      this.#terminal ??= new HeldTerminal({
        take: this.#take,
        giveBack: this.#giveBack,
        say: (line) => this.say(line),
      });
  }

  readonly #take = (): void => {
    const { stderr } = this.#output;
    this.#isHeld = true;
    stderr.write(TAKE);
    stderr.on('resize', this.#onResize);
    this.#timer = setInterval(this.#redraw, FRAME_EVERY_MS);
    this.#draw();
  };

  readonly #giveBack = (): void => {
    const { stderr } = this.#output;
    this.#isHeld = false;
    clearInterval(this.#timer);
    stderr.off('resize', this.#onResize);
    this.#draw();
    this.#frame.end();
    stderr.write(GIVE_BACK);
  };

  readonly #onResize = (): void => void (this.#resizedAt = performance.now());

  readonly #redraw = (): void => {
    const isStill = performance.now() - this.#resizedAt >= STILL_FOR_MS;
    // A terminal that is slow to take the last frame gets the next one later.
    if (isStill && (this.#output.stderr.writableLength ?? 0) === 0) this.#draw();
  };

  #draw(): void {
    const { columns: toldColumns, rows: toldRows } = this.#output.stderr;
    const columns = toldColumns || DEFAULT_SIZE.columns;
    const room = Math.max(1, (toldRows || DEFAULT_SIZE.rows) - 1);
    const all = this.#rows.all;
    const shown = all.length <= room ? all : mostUrgent(all, room - 1);
    const lines = layOutProgress(shown, performance.now(), columns, this.#widths).map((line) =>
      this.#line(line),
    );
    const rest = all.filter((row) => !shown.includes(row));
    if (rest.length > 0) lines.push(plainLine(restLine(rest, columns)));
    this.#frame.draw(lines, this.#said.join('\n'));
    this.#said = [];
  }

  #line({ name, barWidth, words, figures, status }: ProgressLine): FrameLine {
    const colour = (text: string): string =>
      text === '' ? '' : styleText(COLOURS[words.state], text, { stream: this.#output.stderr });
    const bar = barWidth === 0 ? '' : barOf(words.fraction, barWidth);
    const before = barWidth === 0 ? name : `${name} `;
    const behind = ` ${figures}${status === '' ? '' : '  '}`;
    return {
      text: `${before}${colour(bar)}${behind}${colour(status)}`,
      width: widthOf(`${before}${bar}${behind}${status}`),
    };
  }
}

function barOf(fraction: number, width: number): string {
  const { barCompleteChar, barIncompleteChar } = cliProgress.Presets.shades_classic;
  return cliProgress.Format.BarFormat(fraction, {
    barsize: width,
    barCompleteString: barCompleteChar.repeat(width),
    barIncompleteString: barIncompleteChar.repeat(width),
    barGlue: '',
  });
}

import { stripVTControlCharacters } from 'node:util';
import type { Context } from '../command.ts';
import { HeldTerminal } from './held-terminal.ts';
import { printableLayout } from '../printable.ts';
import type { OutputStream } from '../output.ts';
import { widthOf, wrapWords } from './text-width.ts';

/*
 * What a terminal is told, as xterm and all that follow it understand it
 * (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html). Those that do not know a mode pass over it.
 */
const ESC = '\u001B[';
/** A screen of its own, no cursor, and lines that are too long end at the edge. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
/** All of a frame is shown at once. */
const BEGIN_FRAME = `${ESC}?2026h${ESC}H`;
const END_FRAME = `${ESC}?2026l`;
const CLEAR_LINE = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;

/** How often relative times are told again, in ms. */
const TICK_MS = 1_000;

/** Columns that a folded line continues further in. */
const INDENT = 4;

/** Of a terminal that does not say its size. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

/**
 * What there is to see: head and foot always, of the items as many as there is room for. The lines are laid out by us:
 * styles in them pass, and what another machine sent has been through `printable`.
 */
export interface Screen {
  readonly head?: readonly string[];
  /** Each of one line or several. */
  readonly items: readonly (readonly string[])[];
  readonly foot?: readonly string[];
}

export interface LiveViewOptions<T> {
  /** @param size.columns Infinity where nothing limits them */
  readonly layOut: (state: T, size: { readonly now: number; readonly columns: number }) => Screen;
  /** What `--json` prints of a state. @default all of it */
  readonly documentOf?: (state: T) => unknown;
  /** What of a state counts where each change is printed: the clock alone does not. @default all of it */
  readonly keyOf?: (state: T) => unknown;
}

/** All lines of a screen. @param columns of the terminal: longer lines of words are folded @default Infinity */
export function screenLines(screen: Screen, columns = Number.POSITIVE_INFINITY): string[] {
  const isWords = (line: string): boolean => /\S\s+\S/.test(line);
  const { head = [], items, foot = [] } = foldScreen(screen, columns, isWords);
  return [...head, ...items.flat(), ...foot];
}

function foldScreen(
  { head = [], items, foot = [] }: Screen,
  columns: number,
  mayFold: (line: string) => boolean = () => true,
): Screen {
  const fold = (lines: readonly string[]): string[] =>
    lines.flatMap((line) => (mayFold(line) ? foldLine(line, columns) : [line]));
  return { head: fold(head), items: items.map(fold), foot: fold(foot) };
}

/** Between words, and further in than the line begins; what is folded loses its styles. */
function foldLine(line: string, columns: number): string[] {
  const plain = stripVTControlCharacters(line);
  if (widthOf(plain) <= columns) return [line];
  const indent = ' '.repeat(Math.min(plain.search(/\S|$/) + INDENT, Math.floor(columns / 2)));
  const [first = '', ...rest] = wrapWords(plain, columns);
  return [first, ...wrapWords(rest.join(' '), columns - indent.length).map((each) => indent + each)];
}

/**
 * A state that continues being shown, for `--watch`. On a terminal in one place, with times that continue; elsewhere each
 * change is printed below the last one; under `--json` as one document a line.
 *
 * However its program ends, the terminal is what it was, and shows the last state. Close it.
 */
export class LiveView<T> implements Disposable {
  readonly #context: Pick<Context, 'output' | 'stdout' | 'signal'>;
  readonly #options: LiveViewOptions<T>;
  readonly #isScreen: boolean;
  #state: { readonly value: T } | undefined;
  #key: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the terminal is ours: not while the program is suspended. */
  #isEntered = false;
  #terminal: HeldTerminal | undefined;
  #closed = false;

  constructor(context: Pick<Context, 'output' | 'stdout' | 'signal' | 'env'>, options: LiveViewOptions<T>) {
    const { output, signal, env } = context;
    this.#context = context;
    this.#options = options;
    this.#isScreen = output.dataIsForTerminal && !output.jsonMode && env['TERM'] !== 'dumb';
    signal.addEventListener('abort', this.close, { once: true });
  }

  show(state: T): void {
    if (this.#closed) return;
    const key = JSON.stringify(this.#options.keyOf?.(state) ?? state);
    this.#state = { value: state };
    if (this.#isScreen) {
      if (this.#terminal === undefined)
        this.#terminal = new HeldTerminal({ take: this.#enter, giveBack: this.#leave });
      else this.#draw();
    } else if (key !== this.#key) this.#print(state);
    this.#key = key;
  }

  /** May be called twice. */
  readonly close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.signal.removeEventListener('abort', this.close);
    if (this.#terminal === undefined) return;
    this.#terminal[Symbol.dispose]();
    for (const line of this.#frame()) this.#context.output.line(line);
  };

  [Symbol.dispose](): void {
    this.close();
  }

  #print(state: T): void {
    const { output } = this.#context;
    const { documentOf, layOut } = this.#options;
    output.json(documentOf === undefined ? state : documentOf(state));
    const size = { now: Date.now(), columns: output.columns };
    if (!output.jsonMode) for (const line of screenLines(layOut(state, size))) output.line(line);
  }

  readonly #enter = (): void => {
    const { stdout } = this.#context;
    this.#isEntered = true;
    stdout.write(ENTER);
    stdout.on('resize', this.#draw);
    this.#timer = setInterval(this.#draw, TICK_MS);
    this.#draw();
  };

  readonly #leave = (): void => {
    this.#isEntered = false;
    clearInterval(this.#timer);
    const { stdout } = this.#context;
    stdout.off('resize', this.#draw);
    stdout.write(LEAVE);
  };

  readonly #draw = (): void => {
    const { stdout } = this.#context;
    // A terminal that is slow to take the last one gets the next one later.
    if (!this.#isEntered || (stdout.writableLength ?? 0) > 0) return;
    // Cleared before it is written: after a line of full width the cursor stands on its last character.
    const lines = this.#frame().map((line) => `${CLEAR_LINE}${printableLayout(line)}`);
    const below = lines.length < sizeOf(stdout).rows ? `\n${CLEAR_BELOW}` : '';
    stdout.write(`${BEGIN_FRAME}${lines.join('\n')}${below}${END_FRAME}`);
  };

  #frame(): string[] {
    if (this.#state === undefined) return [];
    const { columns, rows } = sizeOf(this.#context.stdout);
    const screen = this.#options.layOut(this.#state.value, { now: Date.now(), columns });
    return cut(foldScreen(screen, columns), rows);
  }
}

/** As many items as there is room for, the first ones, and how many more there are. */
function cut(screen: Screen, rows: number): string[] {
  const lines = screenLines(screen);
  if (lines.length <= rows) return lines;
  const { head = [], items, foot = [] } = screen;
  let room = rows - head.length - foot.length - 1;
  const shown: string[] = [];
  let count = 0;
  for (const item of items) {
    if (item.length > room) break;
    room -= item.length;
    shown.push(...item);
    count++;
  }
  return [...head, ...shown, `… and ${items.length - count} more`, ...foot].slice(0, rows);
}

function sizeOf({ columns, rows }: OutputStream): { columns: number; rows: number } {
  // A terminal that was never told its size says 0.
  return { columns: columns || DEFAULT_SIZE.columns, rows: rows || DEFAULT_SIZE.rows };
}

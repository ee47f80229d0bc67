import { printable } from './printable.ts';
import { graphemesOf, widthOf } from './terminal/text-width.ts';

// cliui, which could lay this out, ships no types; what is needed of it is below.

export interface Column {
  readonly title: string;
  /** @default 'left' */
  readonly align?: 'left' | 'right';
  /** Columns with a number are left out where there is no room, the highest first. @default never left out */
  readonly dropOrder?: number;
}

/** A text, or one that stands out by a style, such as `styleText` gives; a style adds no width. */
export type Cell = string | { readonly text: string; readonly style: (text: string) => string };

/** A table that is laid out: each row has as many lines as its highest cell needs. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What each column would like to have, in terminal columns. */
  readonly natural: readonly number[];
}

/** Between columns. */
const GAP = '  ';

/** No column gets narrower than this; a terminal narrower than the sum of them wraps by itself. */
const NARROWEST = 6;

/** Before a column is left out, others give way until none is wider than this. */
const COMFORTABLE = 24;

/**
 * Lays out rows under their titles. When they do not fit, columns that may be left out are; then the widest give way
 * and their cells wrap. Every cell is escaped.
 *
 * @param width columns of the terminal, or Infinity
 * @param atLeast what each column would like to have for rows that are not among these
 */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  atLeast: readonly number[] = [],
): Table {
  const head = columns.map((column): LaidCell => ({ text: column.title }));
  const cells = rows.map((row) => columns.map((_, index) => laidCell(row[index] ?? '')));
  const natural = columns.map((_, index) =>
    [head, ...cells].reduce(
      (most, row) => Math.max(most, widthOf(row[index]?.text ?? '')),
      atLeast[index] ?? 0,
    ),
  );
  const kept = keptColumns(columns, natural, width);
  const shown = kept.flatMap((index) => columns[index] ?? []);
  const widths = fit(
    kept.map((index) => natural[index] ?? 0),
    width,
  );
  const render = (row: readonly LaidCell[]): string[] =>
    renderRow(
      shown,
      widths,
      kept.map((index) => row[index] ?? { text: '' }),
    );
  return { head: render(head), rows: cells.map(render), natural };
}

/** The same as text, without the last line break. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): string {
  const table = layOutTable(columns, rows, width);
  return [...table.head, ...table.rows.flat()].join('\n');
}

/** A table of rows that come little by little: columns get wider as the rows need it, never narrower. */
export class TableWriter {
  readonly #columns: readonly Column[];
  readonly #width: number;
  #natural: readonly number[] | undefined;

  constructor(columns: readonly Column[], width: number) {
    this.#columns = columns;
    this.#width = width;
  }

  /** The next rows, the first ones under the titles. @returns lines without the last line break */
  rows(rows: readonly (readonly Cell[])[]): string {
    const table = layOutTable(this.#columns, rows, this.#width, this.#natural);
    const lines = this.#natural === undefined ? [...table.head, ...table.rows.flat()] : table.rows.flat();
    this.#natural = table.natural;
    return lines.join('\n');
  }
}

interface LaidCell {
  /** Escaped. */
  readonly text: string;
  readonly style?: (text: string) => string;
}

function laidCell(cell: Cell): LaidCell {
  return typeof cell === 'string'
    ? { text: printable(cell) }
    : { text: printable(cell.text), style: cell.style };
}

/** Indexes of the columns that there is room for. */
function keptColumns(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const kept = columns.map((_, index) => index);
  const droppable = kept
    .filter((index) => columns[index]?.dropOrder !== undefined)
    .toSorted((a, b) => (columns[b]?.dropOrder ?? 0) - (columns[a]?.dropOrder ?? 0));
  const needs = (): number =>
    kept.reduce((sum, index) => sum + Math.min(natural[index] ?? 0, COMFORTABLE), 0) +
    GAP.length * (kept.length - 1);
  for (const index of droppable) {
    if (needs() <= width) break;
    kept.splice(kept.indexOf(index), 1);
  }
  return kept;
}

/** One row, on as many lines as its highest cell needs. */
function renderRow(
  columns: readonly Column[],
  widths: readonly number[],
  row: readonly LaidCell[],
): string[] {
  const wrapped = row.map(({ text }, index) => wrap(text, widths[index] ?? 0));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    wrapped
      .map((lines, index) => {
        const text = lines[at] ?? '';
        const space = ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(text)));
        const styled = text === '' ? text : (row[index]?.style?.(text) ?? text);
        return columns[index]?.align === 'right' ? space + styled : styled + space;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Cuts at the last space there is room for; in words that are longer between characters, as people count them. */
function wrap(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const segment of graphemesOf(text)) {
    const longer = `${line}${segment}`;
    if (line === '' || widthOf(longer) <= width) {
      line = longer;
      continue;
    }
    const space = segment === ' ' ? line.length : line.lastIndexOf(' ');
    lines.push(space > 0 ? line.slice(0, space) : line);
    line = space > 0 ? longer.slice(space + 1) : segment;
  }
  return [...lines, line];
}

/** Takes from the widest column until all fit. */
function fit(natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1)) - width;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const now = widths[widest] ?? 0;
    if (now <= NARROWEST) break;
    widths[widest] = now - 1;
    excess -= 1;
  }
  return widths;
}

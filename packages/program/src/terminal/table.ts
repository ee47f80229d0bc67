import { printable } from '../printable.ts';
import { cutMiddle, padTo, widthOf, wrapWords } from './text-width.ts';

// cliui, which could lay this out, ships no types; what is needed of it is below.

export interface Column {
  readonly title: string;
  /** @default 'left' */
  readonly align?: 'left' | 'right';
  /**
   * How a cell gives way where there is no room. `words`: it continues below itself, between words. `middle`: its middle is left
   * out. `whole`: never; what is copied, such as an id, stays in one piece. `below`: whole, but in a line of its own below its
   * row, such as a path.
   *
   * @default 'words'
   */
  readonly fit?: 'words' | 'middle' | 'whole' | 'below';
  /** Columns with a number are left out where there is no room, the highest first. @default never left out */
  readonly dropOrder?: number;
}

/** A text, or one that stands out by a style, such as `styleText` gives; a style adds no width. */
export type Cell = string | { readonly text: string; readonly style: (text: string) => string };

/** A table that is laid out: each row has as many lines as it needs. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What each column would like to have, in terminal columns. */
  readonly natural: readonly number[];
}

/** Between columns. */
const GAP = '  ';

/** Before lines that belong to the row above. */
const INDENT = '  ';

/** In a narrower terminal a row is a record: a line for each of its cells. */
const NARROW = 60;

/** No column of words gets narrower than this, and none that is cut. */
const NARROWEST = { words: 6, middle: 10 };

/** Before a column is left out, others give way until none is wider than this. */
const COMFORTABLE = 24;

interface LaidCell {
  /** Escaped. */
  readonly text: string;
  readonly style?: (text: string) => string;
}

/** A column of this table, and what it has in it. */
interface Laid extends Column {
  readonly index: number;
  readonly natural: number;
}

/**
 * Lays out rows under their titles. When they do not fit, paths move below their rows, columns that may be left out are, and
 * the widest give way. One that may be left out is, too, where it has nothing to show. Where that does not suffice, and in narrow terminals, each row is a record. Every cell is escaped. Only
 * what may not be cut is ever wider than the terminal.
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
  const cells = rows.map((row) => columns.map((_, index) => laidCell(row[index] ?? '')));
  const laid = columns.map((column, index): Laid => {
    const widest = cells.reduce(
      (most, row) => Math.max(most, widthOf(row[index]?.text ?? '')),
      Math.max(widthOf(column.title), atLeast[index] ?? 0),
    );
    return { ...column, index, natural: widest };
  });
  const natural = laid.map((column) => column.natural);
  const isEmpty = ({ index, dropOrder }: Laid): boolean =>
    dropOrder !== undefined && width !== Infinity && cells.every((row) => row[index]?.text === '');
  const all = laid.filter((column) => !isEmpty(column));
  const isWide = sumOf(all.map((column) => column.natural)) <= width;
  const kept = isWide || width >= NARROW ? keptColumns(all, width) : undefined;
  if (kept === undefined) return { head: [], rows: recordsOf(all, cells, width), natural };
  const { inRow, below } = kept;
  const widths = fit(inRow, width);
  const render = (row: readonly LaidCell[]): string[] => [
    ...renderRow(inRow, widths, row),
    ...below.flatMap(({ index }) => linesBelow(row[index], width)),
  ];
  const head = columns.map(({ title }): LaidCell => ({ text: title }));
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

function laidCell(cell: Cell): LaidCell {
  return typeof cell === 'string'
    ? { text: printable(cell) }
    : { text: printable(cell.text), style: cell.style };
}

function sumOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP.length * Math.max(0, widths.length - 1));
}

/** How far a column can give way. */
function leastOf({ fit: how = 'words', natural, title }: Laid): number {
  if (how === 'whole' || how === 'below') return natural;
  return Math.min(natural, Math.max(NARROWEST[how], widthOf(title)));
}

/** The columns that there is room for, in the row and below it; undefined where a row does not fit at all. */
function keptColumns(all: readonly Laid[], width: number): { inRow: Laid[]; below: Laid[] } | undefined {
  const inRow = [...all];
  const below: Laid[] = [];
  const comfortable = (): number =>
    sumOf(inRow.map((column) => Math.max(leastOf(column), Math.min(column.natural, COMFORTABLE))));
  for (const column of all.filter(({ fit: how }) => how === 'below')) {
    if (sumOf(inRow.map((each) => each.natural)) <= width) break;
    inRow.splice(inRow.indexOf(column), 1);
    below.push(column);
  }
  const droppable = inRow
    .filter(({ dropOrder }) => dropOrder !== undefined)
    .toSorted((a, b) => (b.dropOrder ?? 0) - (a.dropOrder ?? 0));
  for (const column of droppable) {
    if (comfortable() <= width) break;
    inRow.splice(inRow.indexOf(column), 1);
  }
  return sumOf(inRow.map(leastOf)) <= width ? { inRow, below } : undefined;
}

/** Takes from the widest columns that can give way until all fit. */
function fit(columns: readonly Laid[], width: number): number[] {
  const widths = columns.map(({ natural }) => natural);
  for (let excess = sumOf(widths) - width; excess > 0; excess--) {
    const spare = widths.map((each, n) => (each > leastOf(columns[n] ?? NO_COLUMN) ? each : 0));
    const widest = spare.indexOf(Math.max(...spare));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

const NO_COLUMN: Laid = { title: '', index: 0, natural: 0 };

/** One row, on as many lines as its highest cell needs. */
function renderRow(columns: readonly Laid[], widths: readonly number[], row: readonly LaidCell[]): string[] {
  const shown = columns.map(({ index, fit: how = 'words' }, n) => {
    const { text, style } = row[index] ?? { text: '' };
    const width = widths[n] ?? 0;
    const lines =
      how === 'words' ? wrapWords(text, width) : [how === 'middle' ? cutMiddle(text, width) : text];
    return { lines, style };
  });
  const height = Math.max(1, ...shown.map(({ lines }) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    shown
      .map(({ lines, style }, n) => {
        const text = lines[at] ?? '';
        const space = padTo('', (widths[n] ?? 0) - widthOf(text));
        const styled = text === '' ? text : (style?.(text) ?? text);
        return columns[n]?.align === 'right' ? space + styled : styled + space;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Below a row a path is whole, also one with blanks; what else stands there, such as a reason, is words. */
function mayWrap(how: Column['fit'], text: string): boolean {
  return how === 'words' || (how === 'below' && text.includes(' ') && !/^[~/]/.test(text));
}

/** A cell in lines of its own. */
function linesBelow(cell: LaidCell | undefined, width: number): string[] {
  const { text, style = (each: string) => each } = cell ?? { text: '' };
  if (text === '') return [];
  const lines = mayWrap('below', text) ? wrapWords(text, width - INDENT.length) : [text];
  return lines.map((line) => INDENT + style(line));
}

/** Each row as lines of title and cell, with an empty line between two of them. */
function recordsOf(
  columns: readonly Laid[],
  rows: readonly (readonly LaidCell[])[],
  width: number,
): string[][] {
  return rows.map((row, at) => {
    const fields = columns.flatMap(({ title, index, fit: how = 'words' }): Field[] => {
      const cell = row[index] ?? { text: '' };
      return cell.text === '' ? [] : [{ title, how, ...cell }];
    });
    return [...(at === 0 ? [] : ['']), ...fieldLines(fields, width)];
  });
}

interface Field extends LaidCell {
  readonly title: string;
  readonly how: NonNullable<Column['fit']>;
}

function fieldLines(fields: readonly Field[], width: number): string[] {
  const titleWidth = Math.max(0, ...fields.map(({ title }) => widthOf(title)));
  const room = width - titleWidth - GAP.length;
  return fields.flatMap(({ title, how, text, style = (each: string) => each }) => {
    if (!mayWrap(how, text) && widthOf(text) > room) {
      const shown = how === 'middle' ? cutMiddle(text, width - INDENT.length) : text;
      return [title, INDENT + style(shown)];
    }
    return wrapWords(text, room).map(
      (line, n) => padTo(n === 0 ? title : '', titleWidth) + GAP + style(line),
    );
  });
}

/**
 * Some facts, a line each: what it is, and then a text. Ids, paths and addresses stay in one piece; sentences are cut between
 * words.
 *
 * @param width columns of the terminal, or Infinity
 */
export function renderFields(
  fields: readonly (readonly [title: string, text: string])[],
  width: number,
): string[] {
  const laid = fields.map(([title, text]): Field => ({ title, how: 'below', text: printable(text) }));
  return fieldLines(laid, width);
}

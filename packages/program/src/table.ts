import stringWidth from 'string-width';
import { printable } from './printable.ts';

// cliui, which could lay this out, ships no types; what is needed of it is below.

export interface Column {
  readonly title: string;
  /** @default 'left' */
  readonly align?: 'left' | 'right';
}

/** Between columns. */
const GAP = '  ';

/** No column gets narrower than this; a terminal narrower than the sum of them wraps by itself. */
const NARROWEST = 6;

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Lays out rows under their titles. When they do not fit, the widest columns give way and their cells wrap.
 * Every cell is escaped.
 *
 * @param width columns of the terminal, or Infinity
 * @returns lines without the last line break
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const cells = [columns.map((column) => column.title), ...rows].map((row) =>
    columns.map((_, index) => printable(row[index] ?? '')),
  );
  const widths = fit(
    columns.map((_, index) => cells.reduce((most, row) => Math.max(most, stringWidth(row[index] ?? '')), 0)),
    width,
  );
  return cells.flatMap((row) => renderRow(columns, widths, row)).join('\n');
}

/** One row, on as many lines as its highest cell needs. */
function renderRow(columns: readonly Column[], widths: readonly number[], row: readonly string[]): string[] {
  const wrapped = row.map((cell, index) => wrap(cell, widths[index] ?? 0));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, at) =>
    wrapped
      .map((lines, index) => {
        const text = lines[at] ?? '';
        const space = ' '.repeat(Math.max(0, (widths[index] ?? 0) - stringWidth(text)));
        return columns[index]?.align === 'right' ? space + text : text + space;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Cuts between characters as people count them: a table holds names and ids, not prose. */
function wrap(text: string, width: number): string[] {
  if (stringWidth(text) <= width) return [text];
  const lines = [''];
  for (const { segment } of GRAPHEMES.segment(text)) {
    const line = `${lines.at(-1) ?? ''}${segment}`;
    if (stringWidth(line) <= width || line === segment) lines[lines.length - 1] = line;
    else lines.push(segment);
  }
  return lines;
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

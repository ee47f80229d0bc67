import { printable } from '../printable.ts';
import type { ProgressRow, ProgressState, ProgressWords } from './progress-row.ts';
import { cutEnd, cutMiddle, padTo, widthOf } from './text-width.ts';

/** One line of progress, in parts: a colour that is given to the bar or the status adds no width. */
export interface ProgressLine {
  readonly name: string;
  /** Columns of the bar; 0 where there is no room for one. */
  readonly barWidth: number;
  readonly words: ProgressWords;
  /** What stands behind the bar. */
  readonly figures: string;
  /** What stands last: rate and time left, or why there is none. */
  readonly status: string;
}

/** Widths that columns had, so that they do not jump while figures change. */
export type ColumnWidths = Map<string, number>;

const NAME = { least: 8, most: 24 };
const BAR = { least: 4, most: 30 };
const GAP = '  ';
const PERCENT_WIDTH = 4;

/** Left out one after the other where a line has no room for them; the name, the percentage and the status stay. */
const DROPPED = ['files', 'bytes', 'bar', 'rate'] as const;

type Optional = (typeof DROPPED)[number];

/**
 * Lays out one line for each row: name, bar, percentage, bytes, files, rate, status. In a narrow terminal the bar gets
 * shorter, then what `DROPPED` names is left out in that order, then names are shortened. No line is wider than the terminal
 * less one column, in which a cursor can stand.
 */
export function layOutProgress(
  rows: readonly ProgressRow[],
  now: number,
  columns: number,
  widths: ColumnWidths,
): ProgressLine[] {
  const texts = rows.map((row) => ({ name: printable(row.name), words: row.words(now) }));
  const widest = (column: string, cells: readonly string[], least = 0): number => {
    const width = cells.reduce(
      (most, cell) => Math.max(most, widthOf(cell)),
      Math.max(least, widths.get(column) ?? 0),
    );
    widths.set(column, width);
    return width;
  };
  const cells = (column: 'bytes' | 'files' | 'rate'): string[] => texts.map(({ words }) => words[column]);
  const natural = { bytes: widest('bytes', cells('bytes')), files: widest('files', cells('files')) };
  const rateWidth = widest('rate', cells('rate'), 9);
  const kept = new Set<Optional>(DROPPED);
  const middle = (): ('bytes' | 'files')[] =>
    (['bytes', 'files'] as const).filter((column) => kept.has(column) && natural[column] > 0);
  // What has no rate says why in its place.
  const tailOf = ({ rate, status }: ProgressWords): string =>
    rate === '' || !kept.has('rate') ? status : [padTo(rate, rateWidth, 'right'), status].join(GAP).trimEnd();
  const tailWidth = (): number =>
    widest(
      kept.has('rate') ? 'tail' : 'status',
      texts.map(({ words }) => tailOf(words)),
      'ETA 9m 59s'.length + (kept.has('rate') ? rateWidth + GAP.length : 0),
    );
  const fixed = (): number =>
    1 +
    PERCENT_WIDTH +
    middle().reduce((sum, column) => sum + GAP.length + natural[column], 0) +
    GAP.length +
    tailWidth();
  const room = columns - 1;
  const nameWidth = Math.min(
    NAME.most,
    widest(
      'name',
      texts.map(({ name }) => name),
    ),
  );
  const fits = (): boolean => nameWidth + fixed() + (kept.has('bar') ? 1 + BAR.least : 0) <= room;
  for (const column of DROPPED) {
    if (fits()) break;
    kept.delete(column);
  }
  const shownName = Math.min(nameWidth, Math.max(NAME.least, room - fixed()));
  const barWidth = kept.has('bar') ? Math.min(BAR.most, room - shownName - fixed() - 1) : 0;
  return texts.map(({ name, words }) => {
    const figures = [
      padTo(words.percent, PERCENT_WIDTH, 'right'),
      ...middle().map((column) => padTo(words[column], natural[column], 'right')),
    ];
    return {
      name: padTo(cutMiddle(name, shownName), shownName),
      barWidth,
      words,
      figures: figures.join(GAP),
      status: tailOf(words),
    };
  });
}

/** What the rows add up to that there is no room for: `… 83 more: 12 running, 70 connecting, 1 failed`. */
export function restLine(rows: readonly ProgressRow[], columns: number): string {
  return cutEnd(`… ${rows.length} more: ${countWords(rows)}`, columns - 1);
}

const ORDER: readonly ProgressState[] = [
  'failed',
  'running',
  'lost',
  'asked',
  'connecting',
  'queued',
  'done',
];

/** `1 failed, 12 running, 70 connecting` */
export function countWords(rows: readonly ProgressRow[]): string {
  return ORDER.flatMap((state) => {
    const count = rows.filter((row) => row.state === state).length;
    return count === 0 ? [] : [`${count} ${state}`];
  }).join(', ');
}

/** What is shown of many: those that are under way first, then those that are awaited, at last what has ended. */
export function mostUrgent(rows: readonly ProgressRow[], count: number): ProgressRow[] {
  const urgency = ({ state, isOver }: ProgressRow): number =>
    state === 'running'
      ? 0
      : state === 'lost' || state === 'asked'
        ? 1
        : state === 'failed'
          ? 2
          : isOver
            ? 4
            : 3;
  return rows.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, count);
}

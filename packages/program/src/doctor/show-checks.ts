import { styleText } from 'node:util';
import type { Context } from '../command.ts';
import { printable } from '../printable.ts';
import { wrapWords } from '../terminal/text-width.ts';
import type { Check } from './check.ts';

const MARKS: Readonly<Record<Check['state'], string>> = {
  ok: 'ok',
  warning: 'warn',
  failed: 'FAIL',
  skipped: '-',
};

const COLOURS: Readonly<Record<Check['state'], 'green' | 'yellow' | 'red' | 'dim'>> = {
  ok: 'green',
  warning: 'yellow',
  failed: 'red',
  skipped: 'dim',
};

/** Of the longest mark and the longest name of a check. */
const MARK_WIDTH = 4;
const NAME_WIDTH = 12;
const REMEDY_INDENT = 6;

/** In a narrower terminal the summary begins in a line of its own. */
const NARROW = 60;

/** Prints one check for people: what it is, what was found, and what to type. */
export function showCheck(check: Check, { output, stdout }: Context): void {
  const mark = MARKS[check.state].padEnd(MARK_WIDTH);
  const shown = output.dataIsForTerminal ? styleText(COLOURS[check.state], mark, { stream: stdout }) : mark;
  const { columns } = output;
  const head = `${shown}  ${check.check.padEnd(columns < NARROW ? 0 : NAME_WIDTH)}`;
  const name = columns < NARROW ? `\n${' '.repeat(REMEDY_INDENT)}` : '  ';
  const indent = columns < NARROW ? REMEDY_INDENT : MARK_WIDTH + 2 + NAME_WIDTH + 2;
  output.line(`${head}${name}${wrapped(check.summary, columns, indent)}`);
  if (check.remedy === null) return;
  const arrow = '→ ';
  output.line(
    `${' '.repeat(REMEDY_INDENT)}${arrow}${wrapped(check.remedy, columns, REMEDY_INDENT + arrow.length)}`,
  );
}

/** @param indent of its lines, of which the first has been begun */
function wrapped(text: string, columns: number, indent: number): string {
  const lines = wrapWords(printable(text), Math.max(1, columns - indent));
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** The last line: how it all is. */
export function verdictWords(checks: readonly Check[]): string {
  const count = (state: Check['state']): number => checks.filter((each) => each.state === state).length;
  const [failures, warnings] = [count('failed'), count('warning')];
  if (failures === 0 && warnings === 0) return 'all is right';
  const words = [
    ...(failures === 0 ? [] : [`${failures} failed`]),
    ...(warnings === 0 ? [] : [`${warnings} to look at`]),
  ];
  return words.join(', ');
}

import { styleText } from 'node:util';
import type { Context } from '../command.ts';
import { printable } from '../printable.ts';
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

/** Prints one check for people: what it is, what was found, and what to type. */
export function showCheck(check: Check, { output, stdout }: Context): void {
  const mark = MARKS[check.state].padEnd(MARK_WIDTH);
  const shown = output.dataIsForTerminal ? styleText(COLOURS[check.state], mark, { stream: stdout }) : mark;
  output.line(`${shown}  ${check.check.padEnd(NAME_WIDTH)}  ${printable(check.summary)}`);
  if (check.remedy !== null) output.line(`      → ${printable(check.remedy)}`);
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

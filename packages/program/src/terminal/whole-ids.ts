import { widthOf } from './text-width.ts';

/** The id of a machine, a server or a network, and that of a job where a sentence names it. */
const ID = / +(\(?[A-Z2-7]{52}(?![A-Z2-7])|(?<=\bjob )[a-z0-9]{16}(?![a-z0-9]))/g;

/**
 * A text for a terminal, with a line break before each id that the terminal would fold in its middle. Nothing else is touched:
 * a terminal copies what it has folded itself as one line, and commands and paths are copied.
 */
export function withWholeIds(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns ? line : breakBeforeIds(line, columns)))
    .join('\n');
}

function breakBeforeIds(line: string, columns: number): string {
  let start = 0;
  let shown = '';
  for (const match of line.matchAll(ID)) {
    const [whole, id = ''] = match;
    const at = match.index + whole.length - id.length;
    const column = widthOf(line.slice(start, at)) % columns;
    if (column + id.length <= columns || id.length > columns) continue;
    shown += `${line.slice(start, match.index)}\n`;
    start = at;
  }
  return shown + line.slice(start);
}

import { wrapWords } from '../terminal/text-width.ts';

/** A term, and what is said about it. */
export type Entry = readonly [term: string, text: string];

/** What stands to the left of texts is not wider, unless one of them alone is. */
const WIDEST_TERM = 26;

/** A text gets no narrower column than this: then it stands below its term. */
const NARROWEST_TEXT = 24;

const INDENT = '  ';
const BELOW = 10;

/** Terms on the left, their texts beside them; below them where a term is too wide, or the terminal too narrow. */
export function entries(list: readonly Entry[], width: number, widest = WIDEST_TERM): string[] {
  const terms = list.map(([term]) => term.length).filter((length) => length <= widest);
  const column = Math.max(0, ...terms) + 2 * INDENT.length;
  const beside = width - column >= NARROWEST_TEXT;
  const start = beside ? column : BELOW;
  return list.flatMap(([term, text]) => {
    const lines = wrapped(text, Math.max(width - start, 1));
    const isBeside = beside && INDENT.length + term.length + INDENT.length <= column;
    const continued = (isBeside ? lines.slice(1) : lines).map((line) => ' '.repeat(start) + line);
    if (isBeside) return [`${INDENT}${term}`.padEnd(column) + (lines[0] ?? ''), ...continued];
    return [
      ...wrapped(term.trimStart(), width, INDENT + term.slice(0, -term.trimStart().length)),
      ...continued,
    ];
  });
}

/** Cut at spaces. */
export function wrapped(text: string, width: number, indent = ''): string[] {
  return wrapWords(text, width - indent.length).map((line) => indent + line);
}

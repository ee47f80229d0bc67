import stringWidth from 'string-width';

/** Letters and signs of one column each, one character a grapheme: what our own words are made of. */
const NARROW = /^[ -~\u00A1-\u00A8\u00AA-\u00AC\u00AF-\u02FF\u2010-\u2027]*$/;

/** Takes 6 ms, and is needed for other scripts alone. */
let segmenter: Intl.Segmenter | undefined;

/** Stands for what was left out. */
const ELLIPSIS = '…';

/** Columns of a terminal that an escaped text takes. Most are ASCII or nearly so, which is a thousand times faster to tell. */
export function widthOf(text: string): number {
  return NARROW.test(text) ? text.length : stringWidth(text);
}

/** The characters of a text as people count them: an accent belongs to its letter. */
function graphemesOf(text: string): string[] {
  if (NARROW.test(text)) return text.split('');
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** A text with spaces up to a width. */
export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + spaces : spaces + text;
}

/** A text that fits into a width: where it is longer, its end is left out. */
export function cutEnd(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width < 1 ? '' : beginning(graphemesOf(text), width - 1) + ELLIPSIS;
}

/** The same, but its middle is left out: names that differ at their ends stay different. */
export function cutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width < 1) return '';
  const graphemes = graphemesOf(text);
  const start = beginning(graphemes, Math.ceil((width - 1) / 2));
  const end = beginning(graphemes.toReversed(), width - 1 - widthOf(start), (rest, next) => next + rest);
  return start + ELLIPSIS + end;
}

function beginning(
  graphemes: readonly string[],
  width: number,
  join = (rest: string, next: string): string => rest + next,
): string {
  let text = '';
  for (const grapheme of graphemes) {
    const longer = join(text, grapheme);
    if (widthOf(longer) > width) break;
    text = longer;
  }
  return text;
}

/**
 * Cuts a text into lines at spaces. Words that are longer than a line are cut between characters.
 *
 * @param width of a line, at least 1
 */
export function wrapWords(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const grapheme of graphemesOf(text)) {
    const longer = line + grapheme;
    if (line === '' || widthOf(longer) <= width) {
      line = longer;
      continue;
    }
    const space = grapheme === ' ' ? line.length : line.lastIndexOf(' ');
    lines.push(space > 0 ? line.slice(0, space) : line);
    line = space > 0 ? longer.slice(space + 1) : grapheme;
  }
  return [...lines, line];
}

import { widthOf } from './text-width.ts';

/** Spaces, and then a word: what is quoted is one, and so is a command that stands for itself behind two spaces. */
const WORD =
  /( *)((?:(?<= {2}|^)(?:filer|filer-client|ip-server) (?:(?! {2}).)*)|(?:`[^`]*`|"[^"]*"|[^ `"]|[`"])+)/g;

/**
 * Sentences for a terminal, with line breaks where the terminal would fold a word, an id, a path or a command in its middle.
 * What alone is longer than a line is left to the terminal, which copies it in one piece; so is a line that begins with a path
 * or a space, or is styled: it was laid out for this terminal.
 */
export function foldSentences(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns || /^[ ~/]|\u001B/.test(line) ? line : fold(line, columns)))
    .join('\n');
}

function fold(line: string, columns: number): string {
  let shown = '';
  let column = 0;
  for (const { gap, word } of wordsOf(line, columns)) {
    const width = widthOf(word);
    const isFirst = column === 0;
    if (!isFirst && column + gap.length + width > columns && width <= columns) {
      shown += `\n${word}`;
      column = width;
    } else {
      shown += isFirst ? word : gap + word;
      column += (isFirst ? 0 : gap.length) + width;
      // What is longer than a line ends in the terminal's last one, at the latest in its last column.
      while (column > columns) column -= columns;
    }
  }
  return shown;
}

interface Word {
  readonly gap: string;
  readonly word: string;
}

function wordsOf(line: string, columns: number): Word[] {
  return [...line.matchAll(WORD)].flatMap(([, gap = '', word = '']) => {
    // A quotation that is longer than a line is folded as what it is, a sentence; a path is not.
    if (widthOf(word) <= columns || !/^\(?"[^/~]/.test(word)) return [{ gap, word }];
    const [first = '', ...rest] = word.split(' ');
    return [{ gap, word: first }, ...rest.map((each) => ({ gap: ' ', word: each }))];
  });
}

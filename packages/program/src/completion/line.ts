/** A command line up to its cursor, taken apart. */
export interface CursorLine {
  /** As the program would get them; the last is the word at the cursor, empty where a new one begins. */
  readonly words: readonly string[];
  /** The quote that is open at the cursor. */
  readonly quote: string | undefined;
  /** How much of the last word stands before what the shell itself takes for a word. */
  readonly broken: number;
}

/** With these a word begins, as readline has it; all other breaks stand before one. */
const KEPT = '$@';

/**
 * Splits what is typed as a shell does: blanks part words, quotes keep blanks, a backslash takes the next character as it is.
 * Nothing is expanded, and what is not finished is no error.
 *
 * @param breaks characters after which the shell itself sees a new word, as in bash's `COMP_WORDBREAKS`
 */
export function lineAtCursor(line: string, breaks = ''): CursorLine {
  const words: string[] = [];
  let word = '';
  let quote: string | undefined;
  let broken = 0;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === quote) quote = undefined;
    else if (character === '\\' && quote !== "'") word += line.charAt(++at);
    else if (quote !== undefined) word += character;
    else if (character === '"' || character === "'") quote = character;
    else if (/\s/.test(character)) {
      // Blanks in a row part nothing.
      if (/\S/.test(line.charAt(at - 1)) || word !== '') words.push(word);
      word = '';
      broken = 0;
    } else {
      word += character;
      if (breaks.includes(character)) broken = word.length - (KEPT.includes(character) ? 1 : 0);
    }
  }
  return { words: [...words, word], quote, broken };
}

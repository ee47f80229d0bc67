import { FilerError } from '@filer/protocol';

/**
 * Splits a typed line into words as a shell would: blanks part them, quotes keep blanks, a backslash takes the
 * next character as it is (not inside single quotes). Nothing is expanded.
 *
 * @throws FilerError `usage` for a quote that is not closed
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote !== undefined && character === quote) quote = undefined;
    else if (character === '\\' && quote !== "'" && at + 1 < line.length)
      word = (word ?? '') + line.charAt(++at);
    else if (quote !== undefined) word = (word ?? '') + character;
    else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== undefined) throw new FilerError('usage', `a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}

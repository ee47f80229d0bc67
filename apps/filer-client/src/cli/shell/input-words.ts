import { FilerError } from '@filer/protocol';

/** What a backslash takes the meaning of inside double quotes, as in a shell. */
const ESCAPED_IN_QUOTES = /["\\$`]/;

/**
 * Splits a typed line into words as a shell would: blanks part them, quotes keep blanks, a backslash takes the next character as it is
 * (inside double quotes only `"`, `\`, `$` and a backquote, inside single quotes none). Nothing is expanded but a leading `~/`.
 *
 * @param home what `~` stands for; undefined to leave it
 * @throws FilerError `usage` for a quote that is not closed
 */
export function splitWords(line: string, home?: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    const next = line.charAt(at + 1);
    if (quote !== undefined && character === quote) quote = undefined;
    else if (
      character === '\\' &&
      next !== '' &&
      (quote === undefined || (quote === '"' && ESCAPED_IN_QUOTES.test(next)))
    ) {
      word = (word ?? '') + next;
      at++;
    } else if (quote !== undefined) word = (word ?? '') + character;
    else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '~' && word === undefined && /^(\/|\s|$)/.test(next)) word = home ?? character;
    else word = (word ?? '') + character;
  }
  if (quote !== undefined) throw new FilerError('usage', `a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}

/*
 * The words of an error as they leave this machine. Another machine is told about the names that it sent, which are relative,
 * and of no folder of this one: every message that carries a reason takes its words from here.
 */

/** What stands in the place of a path of this machine, as the other one reads it. */
const ELSEWHERE = '(a path there)';

/**
 * Absolute paths in a sentence: in quotes, or bare up to a space; up to four words behind a bare one belong to it
 * where a slash follows. One that holds spaces is quoted where it is put into a sentence. `https://` does not begin one.
 */
const ABSOLUTE = new RegExp(
  [
    String.raw`"(?:file:\/\/)?\/(?:[^"\\]|\\.)*"?`,
    String.raw`'(?:file:\/\/)?\/[^']*'?`,
    String.raw`(?<=^|[\s(=:,;])(?:file:\/\/)?\/(?!\/)[^\s"'(),;]+(?: (?:[^\s"'(),;/]+ ){0,3}[^\s"'(),;]*\/[^\s"'(),;]*)*`,
  ].join('|'),
  'g',
);

/** @returns the words without absolute paths, cut to `maxChars` UTF-16 units and well-formed, so that they can travel */
export function outgoingWords(words: string, maxChars: number): string {
  return words.replace(ABSOLUTE, ELSEWHERE).slice(0, maxChars).toWellFormed();
}

import type { Candidate, Completion } from './candidate.ts';
import { lineAtCursor, type CursorLine } from './line.ts';

/*
 * How a shell asks, and is answered. On a Tab its script runs
 *
 *   PROGRAM --complete SHELL LINE [BREAKS]
 *
 * LINE is what is typed of the command up to the cursor, with the program's name and with its quotes; BREAKS are the
 * characters at which the shell breaks words. The answer is a line with `file`, `folder` or nothing, for what of the disk
 * the shell is to offer, and a line for each candidate:
 *
 *   bash   what replaces the word, or its part after the last of BREAKS, quoted, with a space behind it where it is whole;
 *          a quote that is open is closed by bash
 *   zsh    `+` where more may follow, else `.`; the word; a tab; what it is
 *   fish   the word; a tab; what it is
 */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What the scripts put before what is typed. */
export const COMPLETE_TOKEN = '--complete';

/** Splits what a shell handed over. */
export function lineFrom(shell: Shell, line: string, breaks: string): CursorLine {
  const { words, ...rest } = lineAtCursor(line, shell === 'bash' ? breaks : '');
  return { words: words.slice(1), ...rest };
}

/** The answer to a shell. */
export function answerTo(shell: Shell, line: CursorLine, { candidates, paths }: Completion): string {
  return [paths ?? '', ...candidates.flatMap((candidate) => FORMATS[shell](candidate, line))]
    .map((text) => `${text}\n`)
    .join('');
}

const FORMATS: Readonly<Record<Shell, (candidate: Candidate, line: CursorLine) => readonly string[]>> = {
  bash: ({ text, isOpen = false }, { quote, broken }) => {
    const quoted = forBash(text.slice(broken), quote);
    return quoted === undefined ? [] : [isOpen || quote !== undefined ? quoted : `${quoted} `];
  },
  zsh: ({ text, about = '', isOpen = false }) => [`${isOpen ? '+' : '.'}${text}\t${about}`],
  fish: ({ text, about = '' }) => [`${text}\t${about}`],
};

/**
 * Quotes a text so that bash takes all of it as it is: it may be the name of another machine's file, such as `$(reboot)`.
 *
 * @param quote the one in which it stands
 * @returns undefined where that cannot be done within the quote
 */
function forBash(text: string, quote: string | undefined): string | undefined {
  if (quote === "'") return text.includes("'") ? undefined : text;
  if (quote === '"') return text.includes('!') ? undefined : text.replaceAll(/[$`"\\]/g, '\\$&');
  return text.replaceAll(/[^\p{L}\p{N}_./:@%+,=~^-]|^~/gu, '\\$&');
}

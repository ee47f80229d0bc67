/**
 * Turns the short lines of the shell into command lines: `message bob good morning` needs no quotes, `send x bob` no `--to`. A line
 * with an option is a command line as it is.
 *
 * @param words of a line; a name of the program in front is left out
 */
export function longLine(words: readonly string[]): readonly string[] {
  const [first = '', ...rest] = words;
  if (first === 'filer-client' || first === 'filer') return rest;
  if (rest.some((word) => word.startsWith('--'))) return answerLine(words);
  switch (first) {
    case 'send': {
      const to = rest.at(-1) ?? '';
      return rest.length < 2 || to.includes(':') ? words : ['send', ...rest.slice(0, -1), '--to', to];
    }
    case 'message': {
      const [to, ...text] = rest;
      // Behind the dashes a text may begin with one.
      return to === undefined || text.length === 0 ? words : ['message', to, '--', text.join(' ')];
    }
    case 'broadcast':
      return rest.length === 0 ? words : ['broadcast', '--', rest.join(' ')];
    case 'decline': {
      const [id, ...reason] = rest;
      if (id === undefined || reason.length === 0) return answerLine(words);
      return ['inbox', 'decline', id, '--reason', reason.join(' ')];
    }
    default:
      return answerLine(words);
  }
}

/** `accept ID` and `decline ID` as the commands that they are. */
export function answerLine(words: readonly string[]): readonly string[] {
  const [first] = words;
  return first === 'accept' || first === 'decline' ? ['inbox', ...words] : words;
}

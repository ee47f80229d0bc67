/** One call of a program in a page: what follows the program's name, as a shell would hand it over. */
export interface CommandLine {
  readonly program: string;
  readonly words: readonly string[];
}

/** What may stand before a command on its line. */
const PREFIXES: readonly RegExp[] = [/^[A-Z_][A-Z0-9_]*=/, /^(?:sudo|npx|env)$/];

/** Every call of one of the programs in the `sh` blocks of a Markdown page. */
export function commandLinesIn(markdown: string, programs: readonly string[]): CommandLine[] {
  const blocks = [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? '');
  return blocks
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
    .flatMap((line) => simpleCommands(line))
    .flatMap((command) => {
      const words = withoutPrefixes(command);
      const [program = ''] = words;
      return programs.includes(program) ? [{ program, words: words.slice(1) }] : [];
    });
}

/** Cuts a line at `|`, `&&`, `;` and the like, into words; redirections and comments are left out. */
function simpleCommands(line: string): string[][] {
  const commands: string[][] = [[]];
  let isFile = false;
  const token = /#.*$|[0-9]?(?:<|>>?)(?:&[0-9])?|\|\|?|&&?|;|[()]|(?:'[^']*'|"[^"]*"|[^\s'"|&;<>()])+/g;
  for (const [found] of line.matchAll(token)) {
    if (found.startsWith('#')) break;
    if (/^[0-9]?[<>]/.test(found)) isFile = !found.includes('&');
    else if (/^[|&;()]/.test(found)) commands.push([]);
    else if (isFile) isFile = false;
    else commands.at(-1)?.push(found.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands;
}

function withoutPrefixes(words: readonly string[]): readonly string[] {
  let rest = words;
  for (;;) {
    const [first = '', second = ''] = rest;
    if (first === 'sudo' && second === '-u') rest = rest.slice(3);
    else if (PREFIXES.some((prefix) => prefix.test(first))) rest = rest.slice(1);
    else return rest;
  }
}

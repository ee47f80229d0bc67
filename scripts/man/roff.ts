/*
 * Markdown, as far as docs/cli/ has it, as the macros of man(7):
 *
 *   paragraph               .PP
 *   - `--to <target>`: x    .TP, the term in bold, and what is written below it
 *   - x                     .IP with a bullet
 *   | a | b | c |           .TP for each row: `a` in bold, then b and c
 *   ### x                   .SS
 *   ```                     .EX to .EE
 */

/** A text of one or more lines in which nothing is taken for a macro. */
export function escaped(text: string): string {
  return shielded(plain(text));
}

/** A dot or an apostrophe at the start of a line would make it a macro. */
function shielded(text: string): string {
  return text.replaceAll(/^(?=[.'])/gm, '\\&');
}

function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[^\n -~]/gu, (character) => NAMED[character] ?? `\\[u${codeOf(character)}]`);
}

const NAMED: Readonly<Record<string, string>> = { '…': '...', '—': '\\(em', '–': '\\(en' };

function codeOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

/** Code and what is strong in bold, links as their words. */
function inline(text: string): string {
  const parts = text
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .split(/(`[^`]+`|\*\*[^*]+\*\*|(?<![\w*])_[^_]+_(?!\w))/)
    .map((part) => {
      const [, code, strong, slanted] = /^(?:`([^`]+)`|\*\*([^*]+)\*\*|_([^_]+)_)$/.exec(part) ?? [];
      if (slanted !== undefined) return `\\fI${plain(slanted)}\\fR`;
      const bold = code ?? strong;
      return bold === undefined ? plain(part.replaceAll(/\\([*_|<>[\]])/g, '$1')) : `\\fB${plain(bold)}\\fR`;
    })
    .join('');
  return shielded(parts);
}

/** One bullet of a list, its first line without the dash. */
function item(lines: readonly string[]): string[] {
  const [first = '', ...rest] = lines;
  const below = rest.map((line) => line.trim()).filter((line) => line !== '');
  const [, term, text] = /^((?:`[^`]+`(?:, )?)+): (.*)$/.exec(first) ?? [];
  const head =
    term === undefined ? ['.IP \\(bu 2', inline(first)] : ['.TP', inline(term), inline(text ?? '')];
  return [...head, ...below.map(inline)];
}

function row(line: string): string[] {
  const [first = '', ...others] = line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => inline(cell.trim()));
  const text = others.filter((cell) => cell !== '').join(': ');
  return ['.TP', `\\fB${first.replaceAll(/\\f[BR]/g, '')}\\fR`, text === '' ? '\\&' : text];
}

/** What stands first below a heading is no new paragraph. */
function apart(out: readonly string[]): string[] {
  const last = out.at(-1);
  return last === undefined || last.startsWith('.SS') ? [] : ['.PP'];
}

/** A part of a page as lines of roff. */
export function roffOf(markdown: string): string[] {
  const lines = markdown.replaceAll(/^<!--.*-->$/gm, '').split('\n');
  const out: string[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) out.push(...apart(out), ...paragraph.map(inline));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const heading = /^#{3,} (.*)$/.exec(line)?.[1];
    if (line.startsWith('```')) {
      flush();
      const end = lines.indexOf('```', at + 1);
      out.push(...apart(out), '.RS 2', '.EX', ...lines.slice(at + 1, end).map(escaped), '.EE', '.RE');
      at = end;
    } else if (line.startsWith('- ')) {
      flush();
      const next = lines.findIndex((each, index) => index > at && each !== '' && !each.startsWith('  '));
      const end = next === -1 ? lines.length : next;
      out.push(...item([line.slice(2), ...lines.slice(at + 1, end)]));
      at = end - 1;
    } else if (line.startsWith('|')) {
      flush();
      if (!/^\| -+/.test(lines[at + 1] ?? '') && !/^\| -+/.test(line)) out.push(...row(line));
    } else if (heading !== undefined) {
      flush();
      out.push(`.SS ${inline(heading)}`);
    } else if (line.trim() === '') flush();
    else paragraph.push(line.trim());
  }
  flush();
  return out;
}

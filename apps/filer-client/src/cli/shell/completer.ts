import { readdirSync } from 'node:fs';
import { lineAtCursor, type Candidate, type Completion, type Context } from '@filer/program';
import { answerLine } from './short-lines.ts';
import { verbOf, verbs } from './verbs.ts';

/** Words that are neither commands nor verbs. */
export const OWN_WORDS = ['help', 'exit', 'quit', 'accept', 'decline'];

/** Candidates for the word that is being typed, as readline asks for them: what it may become, and what it is. */
export async function completeLine(line: string, context: Context): Promise<[string[], string]> {
  const { words, quote } = lineAtCursor(line);
  const typed = words.at(-1) ?? '';
  const raw = line.slice(startOfLast(line));
  const { candidates, paths } = await candidatesFor(words, typed, context);
  const files = paths === undefined ? [] : filesBeside(typed, paths, context.env['HOME']);
  const texts = [...candidates, ...files].map(({ text, isOpen = false }) => quoted(text, quote, isOpen));
  return [[...new Set(texts)].filter((text) => text.startsWith(raw)), raw];
}

async function candidatesFor(
  words: readonly string[],
  typed: string,
  { lines }: Context,
): Promise<Completion> {
  const [first = ''] = words;
  if (words.length <= 1) {
    const own = [...Object.keys(verbs), ...OWN_WORDS].map((text) => ({ text }));
    const { candidates } = await lines.complete([typed]);
    return { candidates: [...own.filter(({ text }) => text.startsWith(typed)), ...candidates] };
  }
  // A verb names peers as `message` does.
  return await lines.complete(verbOf(first) === undefined ? answerLine(words) : ['message', typed]);
}

/** Where the word at the cursor begins, with its quotes. */
function startOfLast(line: string): number {
  for (let at = line.length; at > 0; at--) {
    if (!/\s/.test(line.charAt(at - 1))) continue;
    const { words, quote } = lineAtCursor(line.slice(0, at));
    if (quote === undefined && words.at(-1) === '') return at;
  }
  return 0;
}

function quoted(text: string, quote: string | undefined, isOpen: boolean): string {
  if (quote !== undefined) return isOpen ? `${quote}${text}` : `${quote}${text}${quote} `;
  const safe = text.replaceAll(/[\s"'\\]/g, '\\$&');
  return isOpen ? safe : `${safe} `;
}

function filesBeside(typed: string, kind: 'file' | 'folder', home = '~'): Candidate[] {
  const folder = typed.slice(0, typed.lastIndexOf('/') + 1);
  const place = folder.replace(/^~(?=\/)/, home);
  try {
    return readdirSync(place === '' ? '.' : place, { withFileTypes: true })
      .filter((entry) => kind === 'file' || entry.isDirectory())
      .map((entry) => ({
        text: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`,
        isOpen: entry.isDirectory(),
      }));
  } catch {
    return []; // no such folder: nothing to offer
  }
}

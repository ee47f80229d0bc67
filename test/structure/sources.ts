import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** One source file: its path from the root with forward slashes, and its text without comments. */
export interface Source {
  path: string;
  text: string;
}

/** Every TypeScript file under `src` of each package and app. */
export function readSources(): Source[] {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((member) => {
      const folder = join(root, group, member, 'src');
      return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
        .map((entry) => {
          const file = join(entry.parentPath, entry.name);
          const path = relative(root, file).split(sep).join('/');
          return { path, text: withoutComments(readFileSync(file, 'utf8')) };
        });
    }),
  );
}

/** What a file imports or re-exports, types included, as written; `import()` with a literal counts too. */
export function importsOf(source: Source): string[] {
  const statement =
    /^\s*(?:import|export)\b(?:[^'"`;=()]*?\bfrom)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...source.text.matchAll(statement)].map((match) => match[1] ?? match[2] ?? '');
}

/** What stands between the quotes of each string of a file, without what a template fills in. */
export function stringsOf(source: Source): string[] {
  return [...source.text.matchAll(TOKEN)]
    .map(([found]) => found)
    .filter((found) => /^['"`]/.test(found))
    .map((found) => found.slice(1, -1).replaceAll(/\$\{[^{}]*\}/g, '…'));
}

/** What a source says to its reader: each comment, without its marks. */
export function commentsOf(text: string): string[] {
  return [...text.matchAll(TOKEN)]
    .map(([found]) => found)
    .filter((found) => /^\/[/*]/.test(found))
    .map((found) => found.replaceAll(/^\s*(?:\/\*\*?|\*\/|\*(?!\/)|\/\/)|\*\/$/gm, ''));
}

/** Strings, comments and regular expressions: whichever begins first decides what the rest is. */
const TOKEN =
  /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*(?=\s*[.,;)\]])/g;

/** Blanks comments; strings that hold `//` or a comment's opening are kept by looking at them first. */
function withoutComments(text: string): string {
  return text.replace(TOKEN, (found) => (/^\/[/*]/.test(found) ? ' ' : found));
}

import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import ignore, { type Ignore } from 'ignore';
import { systemCode } from '@filer/protocol';
import { isOwn } from '@filer/transfer';

/** Rules of a folder, by gitignore's syntax, for what is below it. */
export const RULES_FILE = '.filerignore';

/** A person did not write a longer one. */
const MAX_RULES_BYTES = 1024 * 1024;

/** Folders whose rules are kept: a walk needs those on the way to where it is. */
const MAX_KEPT = 1_000;

/** What the rules files of a folder and of those below it say, each for what is below it; the deeper one counts. */
export class RuleFiles {
  readonly #read: (folder: string) => string | undefined;
  readonly #byFolder = new Map<string, Ignore | undefined>();

  /** @param read the text of the rules file in a folder, which is relative, empty for the first; undefined for none */
  constructor(read: (folder: string) => string | undefined) {
    this.#read = read;
  }

  /**
   * Whether something is ignored for itself: that the folders above it are is not looked at.
   *
   * @param path relative, `/` between components
   */
  ignores(path: string, isFolder: boolean): boolean {
    let ignored = false;
    for (let at = 0; at >= 0; at = path.indexOf('/', at) + 1 || -1) {
      const rules = this.#rulesIn(path.slice(0, Math.max(0, at - 1)));
      ignored = judge(rules, path.slice(at), isFolder, ignored);
    }
    return ignored;
  }

  #rulesIn(folder: string): Ignore | undefined {
    if (this.#byFolder.has(folder)) return this.#byFolder.get(folder);
    if (this.#byFolder.size >= MAX_KEPT) this.#byFolder.clear();
    const text = this.#read(folder);
    const rules = text === undefined ? undefined : rulesOf(text);
    this.#byFolder.set(folder, rules);
    return rules;
  }
}

/** What rules say of a path; where they say nothing, what was said before. */
export function judge(rules: Ignore | undefined, path: string, isFolder: boolean, before: boolean): boolean {
  if (rules === undefined) return before;
  const { ignored, unignored } = rules.test(isFolder ? `${path}/` : path);
  if (ignored) return true;
  return unignored ? false : before;
}

export function rulesOf(text: string): Ignore {
  return ignore({ allowRelativePaths: true }).add(text);
}

/** The text of a rules file; undefined where there is none, or nothing that is one. */
export function readRules(file: string): string | undefined {
  let descriptor: number | undefined;
  try {
    const there = lstatSync(file, { bigint: true, throwIfNoEntry: false });
    if (there === undefined || isOwn(there)) return undefined;
    // Neither a pipe nor a link to elsewhere of that name is asked for rules.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const found = fstatSync(descriptor);
    return found.isFile() && found.size <= MAX_RULES_BYTES ? readFileSync(descriptor, 'utf8') : undefined;
  } catch (error) {
    // Most folders have none; one that cannot be read is told when it is its turn to be sent.
    if (systemCode(error) === undefined) throw error;
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

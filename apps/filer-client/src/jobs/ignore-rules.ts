import { join } from 'node:path';
import type { SharedFolder, WalkOptions } from '@filer/transfer';
import { judge, readRules, RuleFiles, RULES_FILE, rulesOf } from './rule-files.ts';

/**
 * What of a folder stays here: what its `.filerignore` files say, each for what is below it, the deeper one counts;
 * and above them all what was typed.
 *
 * @param excludes patterns as in a `.gitignore` of the folder that is sent
 */
export function ignoreRules(excludes: readonly string[]): NonNullable<WalkOptions['ignored']> {
  const typed = excludes.length === 0 ? undefined : rulesOf(excludes.join('\n'));
  // One folder is walked after the other.
  let current: { readonly top: string; readonly rules: RuleFiles } | undefined;
  return (top, path, isFolder) => {
    if (current?.top !== top)
      current = { top, rules: new RuleFiles((folder) => readRules(join(top, folder, RULES_FILE))) };
    return judge(typed, path, isFolder, current.rules.ignores(path, isFolder));
  };
}

/** What of a shared folder its owner's `.filerignore` files keep from everyone. */
export class ShareRules {
  readonly #rules: RuleFiles;

  constructor(shared: SharedFolder) {
    this.#rules = new RuleFiles((folder) => {
      const file = [shared.name, ...(folder === '' ? [] : [folder]), RULES_FILE].join('/');
      try {
        return shared.at(file, readRules);
      } catch {
        return undefined; // no such folder: reading what is in it fails with the reason
      }
    });
  }

  /** @param file `NAME/path/below`, whose folders are not ignored */
  ignores(file: string, isFolder: boolean): boolean {
    const [, ...components] = file.split('/');
    return components.length > 0 && this.#rules.ignores(components.join('/'), isFolder);
  }

  /** Whether it, or a folder above it, is ignored. */
  hides(file: string, isFolder: boolean): boolean {
    const [name = '', ...components] = file.split('/');
    return components.some((_, n) => {
      const isLast = n === components.length - 1;
      return this.ignores([name, ...components.slice(0, n + 1)].join('/'), !isLast || isFolder);
    });
  }
}

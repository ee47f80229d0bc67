import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';
import { systemCode } from '@filer/protocol';
import type { WalkOptions } from '@filer/transfer';

/** Rules of a folder, by gitignore's syntax, for what lies below it. */
const RULES_FILE = '.filerignore';

/** Folders whose rules are kept: a walk needs those on the way to where it is. */
const MAX_KEPT = 1_000;

/**
 * What of a folder stays here: what its `.filerignore` files say, each for what lies below it, the deeper one counts;
 * and above them all what was typed.
 *
 * @param excludes patterns as in a `.gitignore` of the folder that is sent
 */
export function ignoreRules(excludes: readonly string[]): NonNullable<WalkOptions['ignored']> {
  const typed = excludes.length === 0 ? undefined : rulesOf(excludes.join('\n'));
  const byFolder = new Map<string, Ignore | undefined>();
  const rulesIn = (folder: string): Ignore | undefined => {
    if (byFolder.has(folder)) return byFolder.get(folder);
    if (byFolder.size >= MAX_KEPT) byFolder.clear();
    const rules = readRules(join(folder, RULES_FILE));
    byFolder.set(folder, rules);
    return rules;
  };
  return (top, path, isFolder) => {
    const components = path.split('/');
    let ignored = false;
    for (let depth = 0; depth < components.length; depth++) {
      const rules = rulesIn(join(top, ...components.slice(0, depth)));
      ignored = judge(rules, components.slice(depth).join('/'), isFolder, ignored);
    }
    return judge(typed, path, isFolder, ignored);
  };
}

function judge(rules: Ignore | undefined, path: string, isFolder: boolean, before: boolean): boolean {
  if (rules === undefined) return before;
  const { ignored, unignored } = rules.test(isFolder ? `${path}/` : path);
  if (ignored) return true;
  return unignored ? false : before;
}

function readRules(file: string): Ignore | undefined {
  try {
    return rulesOf(readFileSync(file, 'utf8'));
  } catch (error) {
    // Most folders have none; one that cannot be read is told when it is its turn to be sent.
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

function rulesOf(text: string): Ignore {
  return ignore({ allowRelativePaths: true }).add(text);
}

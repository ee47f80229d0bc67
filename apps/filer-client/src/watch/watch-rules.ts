import { basename, join } from 'node:path';
import { isPartName, isStageName } from '@filer/transfer';
import { judge, readRules, RuleFiles, RULES_FILE, rulesOf } from '../jobs/rule-files.ts';
import { isAside } from './after-delivery.ts';

/**
 * Names under which programs write what is not complete: browsers, editors, office programs, network file systems, and
 * filer itself. `--exclude '!*.tmp'` takes one of them in again.
 */
export const TEMPORARY_NAMES = [
  '*.part',
  '*.partial',
  '*.crdownload',
  '*.download',
  '*.tmp',
  '*~',
  '.*.sw?',
  '\\#*\\#',
  '~$*',
  '.~lock.*\\#',
  '.goutputstream-*',
  '.nfs*',
  '.fuse_hidden*',
] as const;

/**
 * rsync writes `name` as `.name.XXXXXX`, and people name files so too: one of these must stay the same for longer,
 * in ms, before it goes.
 */
const RSYNC_NAME = /^\..+\.[A-Za-z0-9]{6}$/;
const RSYNC_SETTLE_MS = 60_000;

/** How long a file must stay the same before it goes, in ms. */
export function settleMsOf(path: string, settleMs: number): number {
  return RSYNC_NAME.test(basename(path)) ? Math.max(settleMs, RSYNC_SETTLE_MS) : settleMs;
}

/** What of a watched folder stays here: temporary names, what its `.filerignore` files say, and what was typed. */
export class WatchRules {
  readonly #temporary = rulesOf(TEMPORARY_NAMES.join('\n'));
  readonly #typed;
  readonly #folder: string;
  #files: RuleFiles;

  constructor(folder: string, exclude: readonly string[]) {
    this.#typed = exclude.length === 0 ? undefined : rulesOf(exclude.join('\n'));
    this.#folder = folder;
    this.#files = this.#readFiles();
  }

  /** The `.filerignore` files may have changed. */
  refresh(): void {
    this.#files = this.#readFiles();
  }

  /** Whether something is ignored for itself: that the folders above it are is not looked at. */
  ignores(path: string, isFolder: boolean): boolean {
    const isOwn = isFolder ? isStageName(basename(path)) : isPartName(basename(path));
    if (isOwn || isAside(join(this.#folder, path))) return true;
    const before = judge(this.#temporary, path, isFolder, false) || this.#files.ignores(path, isFolder);
    return judge(this.#typed, path, isFolder, before);
  }

  /** Whether it, or a folder above it, is ignored. */
  hides(path: string, isFolder: boolean): boolean {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      if (this.ignores(path.slice(0, at), true)) return true;
    return this.ignores(path, isFolder);
  }

  #readFiles(): RuleFiles {
    return new RuleFiles((below) => readRules(join(this.#folder, below, RULES_FILE)));
  }
}

import { join, relative } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import { systemCode } from '@filer/protocol';
import type { WatchRules } from './watch-rules.ts';

export interface FolderTriggerOptions {
  readonly folder: string;
  readonly rules: WatchRules;
  /** Something at this path below the folder may have changed; empty for the folder itself. */
  readonly onChange: (path: string) => void;
  /** A folder is there that was not watched before: what lies in it may have come before the watching. */
  readonly onFolder: (path: string) => void;
  /** Some changes will not be told. */
  readonly onBlind: (code: string) => void;
}

/**
 * Tells when something changes in a folder, as far as the system does. Only folders are watched, each with what lies
 * in it: a watch for each file would be a million of them, and the memory for it.
 */
export class FolderTrigger implements AsyncDisposable {
  readonly #watcher: FSWatcher;

  constructor({ folder, rules, onChange, onFolder, onBlind }: FolderTriggerOptions) {
    const below = (path: string): string => relative(folder, path);
    const isInside = (path: string): boolean => path !== '..' && !path.startsWith('../');
    this.#watcher = watch(folder, {
      backend: 'native',
      ignoreInitial: true,
      followSymlinks: false,
      atomic: false,
      ignorePermissionErrors: true,
      ignored: (path, stats) => {
        if (stats === undefined) return false;
        const inside = below(path);
        return !stats.isDirectory() || (inside !== '' && isInside(inside) && rules.ignores(inside, true));
      },
    });
    this.#watcher.on('raw', (_event, name, details) => {
      const at = watchedPathOf(details);
      if (at === undefined) return;
      const path = below(name === null ? at : join(at, String(name)));
      if (isInside(path)) onChange(path);
    });
    this.#watcher.on('addDir', (path) => onFolder(below(path)));
    this.#watcher.on('error', (error) => onBlind(systemCode(error) ?? 'unknown'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher.close();
  }
}

function watchedPathOf(details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return undefined;
  return String(details.watchedPath);
}

import { opendirSync, statSync } from 'node:fs';
import { systemCode } from '@filer/protocol';
import type { WatchStore } from '../store/watch-store.ts';

/**
 * Whether what is not in a watched folder was removed from it. An empty folder in the place of the one that was known proves
 * nothing: it may be what a disk is mounted over.
 */
export function provesRemovals(
  watches: Pick<WatchStore, 'root' | 'setRoot'>,
  watch: number,
  folder: string,
): boolean {
  try {
    const { ino, birthtimeNs } = statSync(folder, { bigint: true });
    const root = `${ino}:${birthtimeNs}`;
    if (watches.root(watch) === root) return true;
    using dir = opendirSync(folder);
    if (dir.readSync() === null) return false;
    watches.setRoot(watch, root);
    return true;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

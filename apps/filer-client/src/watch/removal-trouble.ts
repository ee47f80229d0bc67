import { proveRoot } from '../send/watched-root.ts';
import type { Watch, WatchStore } from '../store/watch-store.ts';
import { shownPath } from './look.ts';

/** Why nothing is removed at the recipients of a watch that mirrors, and what to do; undefined when removals count. */
export function removalTrouble(
  watches: Pick<WatchStore, 'root' | 'setRoot'>,
  { id, folder }: Pick<Watch, 'id' | 'folder'>,
): string | undefined {
  const what = shownPath(folder);
  const proof = proveRoot(watches, id, folder);
  if (proof === 'other')
    return `${what} is not the folder that was watched before, so nothing is removed at the recipients: mount or put back that one, or, if this one takes its place, run \`filer-client watch remove ${id}\` and add the watch again`;
  if (proof === 'nameless')
    return `the file system keeps no time of creation of ${what}, which does not tell it from another disk's, so nothing is removed at the recipients: watch a folder in it that was made later`;
  return undefined;
}

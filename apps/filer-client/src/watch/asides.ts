import { FilerError, systemCode } from '@filer/protocol';
import type { WatchStore } from '../store/watch-store.ts';
import { restoreLeft, type AsideLedger } from './after-delivery.ts';

/** Where a watch notes the names under which its files lie while they are put away. */
export function asideLedger(watches: WatchStore, watch: number): AsideLedger {
  return {
    note: (names) => watches.files.noteAsides(watch, names),
    drop: (names) => watches.files.dropAsides(names),
  };
}

/**
 * Gives files their names again that a killed process left aside.
 *
 * @param watch undefined for all, those of watches that were removed too
 * @returns why one of them cannot get its name
 */
export function restoreAsides(watches: WatchStore, watch?: number): FilerError | undefined {
  try {
    restoreLeft({ drop: (names) => watches.files.dropAsides(names) }, watches.files.asides(watch));
    return undefined;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return new FilerError(
      'path-unreadable',
      `a file that was being removed or moved cannot get its name back (${code}): it is tried again`,
      { cause: error },
    );
  }
}

import { opendirSync, statSync } from 'node:fs';
import { systemCode } from '@filer/protocol';
import type { WatchStore } from '../store/watch-store.ts';

/**
 * Whether the folder at a watched path is the one whose content was sent. `other`: it may be what a disk is mounted over, or
 * another disk. `nameless`: its file system does not tell it from others. `unsure`: it is empty, or cannot be looked at.
 */
export type RootProof = 'same' | 'other' | 'nameless' | 'unsure';

type RootStore = Pick<WatchStore, 'root' | 'setRoot'>;

/** The first folder that is found with something in it counts; only a new watch takes another one. */
export function proveRoot(watches: RootStore, watch: number, folder: string): RootProof {
  try {
    const { ino, birthtimeNs } = statSync(folder, { bigint: true });
    const known = watches.root(watch);
    // Roots of file systems have the same number.
    if (birthtimeNs === 0n) return known === undefined ? 'nameless' : 'other';
    const root = `${ino}:${birthtimeNs}`;
    if (known !== undefined) return known === root ? 'same' : 'other';
    using dir = opendirSync(folder);
    if (dir.readSync() === null) return 'unsure';
    watches.setRoot(watch, root);
    return 'same';
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return 'unsure';
  }
}

/** Whether what is not in a watched folder was removed from it. */
export function provesRemovals(watches: RootStore, watch: number, folder: string): boolean {
  return proveRoot(watches, watch, folder) === 'same';
}

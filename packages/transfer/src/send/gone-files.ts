import { lstatSync } from 'node:fs';
import { systemCode, type Extra } from '@filer/protocol';
import type { WalkOptions } from './walk.ts';

/** A folder that a person named. */
export interface SentFolder {
  readonly file: string;
  readonly name: string;
}

/**
 * Whether the sender no longer has something that it delivered below a folder. What may not be looked at, and what its rules
 * leave out, counts as there: as with rsync, what is excluded is not removed.
 *
 * @param name as the receiver has it, below the folder's
 */
export function isGone(
  { file, name: top }: SentFolder,
  { name, kind }: Pick<Extra, 'name' | 'kind'>,
  ignored: WalkOptions['ignored'],
): boolean {
  const below = name.slice(top.length + 1);
  try {
    if (lstatSync(`${file}/${below}`, { throwIfNoEntry: false }) !== undefined) return false;
  } catch (error) {
    // What was a folder on the way is a file now.
    if (systemCode(error) !== 'ENOTDIR') return false;
  }
  const components = below.split('/');
  return !components.some((_, n) => {
    const isFolder = n < components.length - 1 || kind === 'dir';
    return ignored?.(file, components.slice(0, n + 1).join('/'), isFolder) === true;
  });
}

import { lstatSync, statSync } from 'node:fs';
import { systemCode, type Extra } from '@filer/protocol';
import type { Links } from './links.ts';
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
  { ignored, links = 'keep' }: Pick<WalkOptions, 'ignored' | 'links'>,
): boolean {
  const components = name.slice(top.length + 1).split('/');
  if (isThere(file, components, links)) return false;
  return !components.some((_, n) => {
    const isFolder = n < components.length - 1 || kind === 'dir';
    return ignored?.(file, components.slice(0, n + 1).join('/'), isFolder) === true;
  });
}

/**
 * What is behind a link that is not followed counts as there, unseen: a receiver learns nothing of what is outside the folder.
 * So does what is behind one that leads nowhere: the disk that it leads to may not be mounted.
 */
function isThere(file: string, components: readonly string[], links: Links): boolean {
  let path = file;
  try {
    for (const [n, component] of components.entries()) {
      path = `${path}/${component}`;
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) return false;
      const isLast = n === components.length - 1;
      if (isLast) return true;
      if (stats.isSymbolicLink() && (links !== 'copy' || leadsNowhere(path))) return true;
    }
    return true;
  } catch (error) {
    // What was a folder on the way is a file now.
    return systemCode(error) !== 'ENOTDIR';
  }
}

function leadsNowhere(link: string): boolean {
  return statSync(link, { throwIfNoEntry: false }) === undefined;
}

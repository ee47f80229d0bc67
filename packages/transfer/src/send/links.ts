import { lstatSync, statSync, type BigIntStats } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import { checkLinkTarget, readLinkTarget } from '../disk/link-target.ts';
import { atSource, type SourceFile } from './source.ts';

/**
 * What to do with symbolic links inside a folder that is sent. `keep`: they go as links, and those that lead out of the
 * folder stay here; `require`: the same, but one that stays here has failed; `copy`: what they lead to goes in their place, as
 * with `rsync -L`; `skip`: none goes.
 */
export type Links = 'keep' | 'require' | 'copy' | 'skip';

/** A link that stays here. */
export interface LinkLeftOut {
  readonly file: string;
  readonly name: string;
  /** Why it cannot go; undefined where no link is to go. */
  readonly error: FilerError | undefined;
}

/** Something in a folder, as it was looked at. */
export interface FoundInside {
  /** Of what a link leads to, where links are followed. */
  readonly stats: BigIntStats;
  readonly linked: boolean;
}

/**
 * Looks at something in a folder.
 *
 * @returns an error for a link that leads nowhere
 * @throws a system error
 */
export function lookInside(about: SourceFile, links: Links): FoundInside | FilerError {
  const stats = atSource(about, (path) => lstatSync(path, { bigint: true }));
  // No link leads out of a shared folder.
  if (links !== 'copy' || about.shared !== undefined || !stats.isSymbolicLink())
    return { stats, linked: false };
  try {
    return { stats: statSync(about.file, { bigint: true }), linked: true };
  } catch (error) {
    const what = JSON.stringify(about.file.toWellFormed());
    switch (systemCode(error)) {
      case 'ENOENT':
      case 'ENOTDIR':
        return new FilerError('path-missing', `the link ${what} leads nowhere: remove it`, { cause: error });
      case 'ELOOP':
        return loop(about.file);
      default:
        throw error;
    }
  }
}

/** A folder as the system knows it, by whatever path. */
export function folderKey({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`;
}

/** What a link leads to would go into itself. */
export function loop(file: string): FilerError {
  const what = JSON.stringify(file.toWellFormed());
  return new FilerError(
    'path-unsupported',
    `the link ${what} leads to a folder that contains it: it stays here`,
  );
}

/**
 * Where a link points to that goes as a link.
 *
 * @param components of its path, from the folder that is sent on
 * @returns why it cannot, as an error
 * @throws a system error
 */
export function targetOf(about: SourceFile, components: readonly string[]): string | FilerError {
  try {
    const target = atSource(about, (path) => readLinkTarget(path, about.file));
    checkLinkTarget(components, target);
    return target;
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
}

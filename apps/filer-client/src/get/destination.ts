import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { FilerError, systemCode, writeFailure } from '@filer/protocol';
import { parseSafePath, requireHoldsNoOwn } from '@filer/transfer';

/** Where something that is fetched goes. */
export interface Destination {
  /** Absolute, without links. */
  readonly folder: string;
  /** What it is called there. */
  readonly name: string;
  /** Whether the path that was given is the folder, and not the name. */
  readonly isInto: boolean;
}

/**
 * Finds out where something goes: into a folder that is there, under its own name; else under the name that was given.
 *
 * @param path absolute
 * @param own its name at its owner
 * @param isUnfinished whether an earlier get of the same thing made what is there: then that name is meant again
 * @throws FilerError `path-missing`, `path-unsupported`, `home-not-writable`, `name-refused`, `refused`
 */
export async function findDestination(path: string, own: string, isUnfinished = false): Promise<Destination> {
  const isInto = !isUnfinished && (await kindOf(path)) === 'folder';
  const folder = isInto ? path : dirname(path);
  const kind = isInto ? 'folder' : await kindOf(folder);
  const what = JSON.stringify(folder.toWellFormed());
  if (kind === 'nothing') throw new FilerError('path-missing', `there is no folder ${what}: make it first`);
  if (kind === 'other')
    throw new FilerError('path-unsupported', `${what} is no folder: nothing can go into it`);
  requireHoldsNoOwn(folder, { leavesOut: () => true, advice: 'choose another folder' });
  const name = isInto ? own : basename(path);
  parseSafePath(name);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return { folder: await realpath(folder), name, isInto };
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw writeFailure(`cannot write into ${what}`, folder, error, { otherwise: 'choose another folder' });
  }
}

async function kindOf(path: string): Promise<'folder' | 'other' | 'nothing'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    switch (systemCode(error)) {
      case undefined:
        throw error;
      case 'ENOENT':
        return 'nothing';
      case 'ENOTDIR':
        return 'other';
      default:
        throw new FilerError(
          'path-unreadable',
          `${JSON.stringify(path)} cannot be looked at: check its folders`,
          {
            cause: error,
          },
        );
    }
  }
}

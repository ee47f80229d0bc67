import { lstatSync, lutimesSync, readlinkSync, symlinkSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import { numberedName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { utimesTime } from './times.ts';

/** A folder full of links of one name is not searched for ever. */
const MAX_ATTEMPTS = 1_000;

export interface MadeLink {
  /** The name it has. */
  readonly name: string;
  /** Whether the very same link was there already. */
  readonly had: boolean;
}

/**
 * Makes a symbolic link and never replaces anything: `name.ext`, or the first free of `name (1).ext`…, unless one of
 * them is this very link already.
 *
 * @param target as `checkLinkTarget` took it
 * @param refusal why none may be made; one that is there is found all the same
 * @throws FilerError `name-refused`, `home-not-writable`, `no-space`
 */
export function makeLink(
  into: Folder,
  wanted: string,
  target: string,
  mtimeNs: bigint,
  refusal?: FilerError,
): MadeLink {
  for (let n = 0; n < MAX_ATTEMPTS; n++) {
    const name = numberedName(wanted, n);
    const path = into.at(name);
    if (refusal !== undefined && lstatSync(path, { throwIfNoEntry: false }) === undefined) throw refusal;
    try {
      symlinkSync(target, path);
      lutimesSync(path, Date.now() / 1000, utimesTime(mtimeNs));
      return { name, had: false };
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw linkError(wanted, error);
      if (isLinkTo(path, target)) return { name, had: true };
    }
  }
  throw new FilerError(
    'name-refused',
    `${MAX_ATTEMPTS} things are already called like ${JSON.stringify(wanted)}`,
  );
}

function isLinkTo(path: string, target: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && readlinkSync(path) === target;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false; // gone again
  }
}

function linkError(name: string, cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === undefined) return cause; // a bug of ours
  const what = JSON.stringify(name);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new FilerError('no-space', `the receiver has no space left for the link ${what}`, { cause });
  return new FilerError('home-not-writable', `the receiver cannot make the link ${what} (${code})`, {
    cause,
  });
}

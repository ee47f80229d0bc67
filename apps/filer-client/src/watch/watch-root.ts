import { opendir, stat } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import type { Home } from '@filer/program';
import { requireNotOwn } from '@filer/transfer';
import { adviceFor, folderId, shownPath } from './look.ts';
import { realPlace, requireNoLoop } from './places.ts';

/** The folder itself, as it is found: what it is known by, or why it is not watched now. */
export type Root = { readonly id: string } | { readonly trouble: string; readonly isMissing: boolean };

/**
 * Looks at a folder that may come, go, be another one, be hidden below what is mounted over it, or lie where it must not.
 *
 * @param inbox where files arrive; absolute
 */
export async function lookAtRoot(folder: string, inbox: string, home: Home): Promise<Root> {
  const what = shownPath(folder);
  try {
    const found = await stat(folder, { bigint: true });
    if (!found.isDirectory())
      return { trouble: `${what} is no folder: it is watched as soon as it is one`, isMissing: true };
    requireNotOwn(folder, found);
    requireNoLoop(await realPlace(folder), await realPlace(inbox), home);
    // The names in it, and what has them.
    await (await opendir(folder)).close();
    await stat(`${folder}/.`);
    return { id: folderId(found) };
  } catch (error) {
    if (error instanceof FilerError) return { trouble: error.message, isMissing: false };
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return { trouble: `there is no folder ${what}: it is watched as soon as it is there`, isMissing: true };
    const trouble = `${what} cannot be looked into (${code})${adviceFor(code)}: it is watched as soon as it can be`;
    return { trouble, isMissing: false };
  }
}

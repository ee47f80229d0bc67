import { stat } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import type { Home } from '@filer/program';
import { realPlace, requireNoLoop } from './places.ts';

/** The folder itself, as it is found: what it is known by, or why it is not watched now. */
export type Root = { readonly id: string } | { readonly trouble: string };

/**
 * Looks at a folder that may come, go, be another one, be hidden below what is mounted over it, or lie where it must not.
 *
 * @param inbox where files arrive; absolute
 */
export async function lookAtRoot(folder: string, inbox: string, home: Home): Promise<Root> {
  const what = JSON.stringify(folder.toWellFormed());
  try {
    const found = await stat(folder, { bigint: true });
    if (!found.isDirectory()) return { trouble: `${what} is no folder: it is watched as soon as it is one` };
    requireNoLoop(await realPlace(folder), await realPlace(inbox), home);
    // A folder that is made anew may get the number of the one that was removed.
    return { id: `${found.dev}:${found.ino}:${found.birthtimeNs}` };
  } catch (error) {
    if (error instanceof FilerError) return { trouble: error.message };
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return { trouble: `there is no folder ${what}: it is watched as soon as it is there` };
    return { trouble: `${what} cannot be looked at (${code}): change its permissions` };
  }
}

import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import type { Home } from '@filer/program';

/** Where a path leads, links followed as far as it is there. */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    const above = dirname(path);
    return above === path ? path : join(await realPlace(above), basename(path));
  }
}

/** Whether a path is a folder, or is below it. Both as `realPlace` gives them. */
export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

/**
 * A watch must ship neither what others delivered, which would go round forever, nor the home.
 *
 * @throws FilerError `refused`
 */
export function requireNoLoop(folder: string, inbox: string, home: Home): void {
  const what = JSON.stringify(folder);
  if (isInside(inbox, folder) || isInside(folder, inbox)) {
    throw new FilerError(
      'refused',
      `${what} and the inbox ${JSON.stringify(inbox)} contain one another, so files that are delivered here would be sent again: watch another folder`,
    );
  }
  const own = [home.identityFolder, dirname(home.configFile), dirname(home.lockFile)];
  const touched = own.find((each) => isInside(each, folder) || isInside(folder, each));
  if (touched === undefined) return;
  throw new FilerError(
    'refused',
    `${what} and the folder of filer ${JSON.stringify(touched)}, with this machine's key, contain one another: watch another folder`,
  );
}

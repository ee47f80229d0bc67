import { takeFinalName, takeFreeName } from './final-name.ts';
import type { Folder } from './folder.ts';
import { asideIn, type Hidden } from './hidden.ts';
import { Aside, replaceFile, type Replaceable } from './replacing.ts';

/** Where what gives way is hidden until it can be removed. */
export interface AsidePlace {
  readonly folder: Folder;
  readonly mark?: string | undefined;
}

/** What a finished file was called in the end. */
export interface Taken {
  readonly name: string;
  readonly hasReplaced: boolean;
}

/**
 * Gives a finished file its final name, or the next one that is free.
 *
 * @param into where the name is taken, in the same file system
 * @param replaces what has that name and is to go, unless it is something else by now
 * @throws FilerError `name-refused`; a system error
 */
export async function takePlace(
  finished: Hidden,
  into: Folder,
  wanted: string,
  replaces: Replaceable | undefined,
  aside: AsidePlace,
): Promise<Taken> {
  if (replaces !== undefined && (await replace(finished, into, wanted, replaces, aside)))
    return { name: wanted, hasReplaced: true };
  return { name: await takeFinalName(finished, into, wanted), hasReplaced: false };
}

async function replace(
  finished: Hidden,
  into: Folder,
  name: string,
  what: Replaceable,
  { folder, mark }: AsidePlace,
): Promise<boolean> {
  if ('identity' in what) return replaceFile(finished, into, name, what.identity);
  const aside = Aside.take(into, name, what, asideIn(folder, mark));
  let taken = false;
  try {
    taken = aside !== undefined && (await takeFreeName(finished, into, name));
  } finally {
    if (!taken) aside?.back();
  }
  if (taken) await aside?.remove();
  return taken;
}

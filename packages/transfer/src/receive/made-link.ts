import { lutimesSync, rmSync, symlinkSync } from 'node:fs';
import { FilerError, systemCode } from '@filer/protocol';
import { contentOfLink } from './deliveries.ts';
import { statsAt } from './existing-digests.ts';
import { numberedName } from '../disk/final-name.ts';
import type { Folder } from '../disk/folder.ts';
import type { Hidden } from '../disk/hidden.ts';
import { linkAt } from './ownership.ts';
import { Aside, replaceFile, type Replaceable } from '../disk/replacing.ts';
import { utimesTime } from '../disk/times.ts';

/** A folder full of links of one name is not searched forever. */
const MAX_ATTEMPTS = 1_000;

/** A symbolic link that is to be made. */
export interface WantedLink {
  readonly name: string;
  /** As `checkLinkTarget` took it. */
  readonly target: string;
  readonly mtimeNs: bigint;
}

export interface LinkRules {
  /** Why none may be made; one that is there is found all the same. */
  readonly refusal: FilerError | undefined;
  /** What has the name, if it may give way. */
  readonly replaceable: () => Promise<Replaceable | undefined>;
  /** Whether the very same link under this later name would stand for it. */
  readonly mayStandFor: (name: string) => boolean;
  /** A hidden name in the same file system. */
  readonly hidden: () => Hidden;
}

export interface MadeLink {
  /** The name it has. */
  readonly name: string;
  /** Whether the very same link was there already. */
  readonly had: boolean;
}

/**
 * Makes a symbolic link: under its name, in the place of what may give way there, or under the first free of
 * `name (1).ext`…, unless it is there already.
 *
 * @throws FilerError `name-refused`, `home-not-writable`, `no-space`
 */
export async function makeLink(into: Folder, wanted: WantedLink, rules: LinkRules): Promise<MadeLink> {
  const { name: own, target } = wanted;
  const { refusal, mayStandFor } = rules;
  try {
    if (linkAt(into, own) === contentOfLink(target)) return { name: own, had: true };
    if (refusal === undefined && (await replace(into, wanted, rules))) return { name: own, had: false };
    for (let n = 0; n < MAX_ATTEMPTS; n++) {
      const name = numberedName(own, n);
      if (linkAt(into, name) === contentOfLink(target) && mayStandFor(name)) return { name, had: true };
      if (refusal !== undefined && statsAt(into, name) === undefined) throw refusal;
      if (refusal === undefined && make(into, name, wanted)) return { name, had: false };
    }
  } catch (error) {
    throw error instanceof FilerError ? error : linkError(own, error);
  }
  throw new FilerError(
    'name-refused',
    `${MAX_ATTEMPTS} things are already called like ${JSON.stringify(own)}`,
  );
}

/** @returns whether the name was free */
function make(into: Folder, name: string, { target, mtimeNs }: WantedLink): boolean {
  try {
    symlinkSync(target, into.at(name));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    return false;
  }
  lutimesSync(into.at(name), Date.now() / 1000, utimesTime(mtimeNs));
  return true;
}

/** @returns whether it has taken the place of what had its name */
async function replace(
  into: Folder,
  wanted: WantedLink,
  { replaceable, hidden }: LinkRules,
): Promise<boolean> {
  const there = await replaceable();
  if (there === undefined) return false;
  const by = hidden();
  if ('identity' in there) {
    try {
      make(by.folder, by.file, wanted);
      return replaceFile(by, into, wanted.name, there.identity);
    } finally {
      rmSync(by.folder.at(by.file), { force: true });
    }
  }
  const aside = Aside.take(into, wanted.name, there, by);
  let made = false;
  try {
    made = aside !== undefined && make(into, wanted.name, wanted);
  } finally {
    if (!made) aside?.back();
  }
  if (made) await aside?.remove();
  return made;
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
